package vfio.sim.xl710;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import vfio.pci.api.device.Memory;
import vfio.sim.HeapMemory;

class AdminQueueTest {
    private final HeapMemory memory = new HeapMemory("BAR0", 0x10000);
    private final TestGuest guest = new TestGuest();
    private final GuestAccess access = new GuestAccess();
    private final AtomicInteger posted = new AtomicInteger();

    /** In mapped memory, the driver ends a queue while it is being looked at. */
    @Test
    void queueThatEndsMeanwhileIsNoFault() throws MaliciousDriverException {
        for (VfRegister base : new VfRegister[] {VfRegister.VF_ATQBAL1, VfRegister.VF_ARQBAL1}) {
            enable();
            AdminQueue queue = new AdminQueue(whenRead(base, this::end), access, posted::incrementAndGet);
            queue.send(17, 0, new byte[16]);

            queue.poll((opcode, payload) -> {});

            assertThat(guest.faults).as("accesses to nowhere, %s", base).hasValue(0);
        }
    }

    @Test
    void queueWithoutMemoryIsAFault() {
        enable();
        memory.putInt(VfRegister.VF_ATQBAL1.offset(), 0);
        AdminQueue queue = new AdminQueue(memory, access, posted::incrementAndGet);
        assertThatThrownBy(() -> queue.poll((opcode, payload) -> {})).isInstanceOf(MaliciousDriverException.class);
    }

    private void enable() {
        access.attach(guest);
        memory.putInt(VfRegister.VF_ATQBAL1.offset(), (int) TestGuest.BASE);
        memory.putInt(VfRegister.VF_ARQBAL1.offset(), (int) TestGuest.BASE + 0x1000);
        memory.putInt(VfRegister.VF_ATQLEN1.offset(), 32 | AdminQueue.ENABLE);
        memory.putInt(VfRegister.VF_ARQLEN1.offset(), 32 | AdminQueue.ENABLE);
        memory.putInt(VfRegister.VF_ATQH1.offset(), 0);
        memory.putInt(VfRegister.VF_ATQT1.offset(), 1);
        memory.putInt(VfRegister.VF_ARQH1.offset(), 0);
        memory.putInt(VfRegister.VF_ARQT1.offset(), 31);
    }

    /** As drivers do: lengths first. */
    private void end() {
        for (VfRegister register : new VfRegister[] {
            VfRegister.VF_ATQLEN1, VfRegister.VF_ATQBAL1, VfRegister.VF_ARQLEN1, VfRegister.VF_ARQBAL1
        }) {
            memory.putInt(register.offset(), 0);
        }
    }

    /** The memory, in which something happens right before a register is read. */
    private Memory whenRead(VfRegister register, Runnable event) {
        return (Memory) Proxy.newProxyInstance(
                Memory.class.getClassLoader(), new Class<?>[] {Memory.class}, (proxy, method, arguments) -> {
                    if (method.getName().equals("getInt") && (long) arguments[0] == register.offset()) {
                        event.run();
                    }
                    try {
                        return method.invoke(memory, arguments);
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                });
    }
}
