package vfio.sim.xl710;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.ShrinkingMode;
import net.jqwik.api.lifecycle.AfterProperty;
import net.jqwik.api.lifecycle.BeforeProperty;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/** Whatever a driver writes, the device neither fails nor hangs, reaches nothing but what is mapped, and can be reset. */
class DeviceFuzzTest {
    private static final Logger LOGGER = Logger.getLogger(Engine.class.getPackageName());
    private static final int STEPS = 60;

    private final List<LogRecord> defects = new ArrayList<>();
    private final Handler handler = new Handler() {
        @Override
        public void publish(LogRecord entry) {
            if (entry.getThrown() != null || entry.getMessage().contains("held up")) {
                defects.add(entry);
            }
        }

        @Override
        public void flush() {}

        @Override
        public void close() {}
    };

    @BeforeProperty
    void listen() {
        LOGGER.addHandler(handler);
        LOGGER.setUseParentHandlers(false);
    }

    @AfterProperty
    void stop() {
        LOGGER.removeHandler(handler);
        LOGGER.setUseParentHandlers(true);
    }

    @Property(tries = 300, shrinking = ShrinkingMode.OFF)
    void nothingADriverWritesBreaksIt(@ForAll long seed) {
        Random random = new Random(seed);
        Adapter adapter = new Adapter("fuzz", 4, 0x0200_0300_0000L, Optional.empty());
        try (adapter;
                TestDriver victim = new TestDriver(adapter, 0).probe().open();
                TestDriver bystander = new TestDriver(adapter, 1).probe().open()) {
            for (int step = 0; step < STEPS; step++) {
                disturb(random, victim, bystander);
            }
            victim.function.hold();
            assertThat(defects).isEmpty();
            assertThat(bystander.function.maliciousEvents()).isZero();
            victim.function.reset();
            victim.set(VfRegister.VFGEN_RSTAT, 2);
            bystander.function.hold();
            bystander.function.reset();
            bystander.set(VfRegister.VFGEN_RSTAT, 2);
            victim.probe().open();
            bystander.probe().open();
            byte[] frame = victim.frame(bystander.mac, 200, 77);
            victim.send(frame);
            assertThat(bystander.receive()).isEqualTo(frame);
        }
    }

    @Property(tries = 100, shrinking = ShrinkingMode.OFF)
    void everyStateCanBeMovedAndNoBrokenOneBreaksIt(@ForAll long seed) {
        Random random = new Random(seed);
        Adapter adapter = new Adapter("fuzz", 4, 0x0200_0300_0000L, Optional.empty());
        try (adapter;
                TestDriver victim = new TestDriver(adapter, 0).probe().open();
                TestDriver bystander = new TestDriver(adapter, 1).probe().open();
                TestDriver target = new TestDriver(adapter, 2)) {
            for (int step = 0; step < STEPS; step++) {
                disturb(random, victim, bystander);
            }
            victim.function.state().freeze();
            // The disturbance may have put causes there that only the device can.
            victim.function.read(VfRegister.VFINT_ICR01, 0);
            Map<String, byte[]> parts = victim.state();
            target.function.state().freeze();
            target.function.state().write(parts);
            FunctionStateTest.assertSame(target.state(), parts);
            for (int change = 0; change < 30; change++) {
                writeBroken(random, target, parts);
            }
            target.function.state().thaw();
            for (int step = 0; step < STEPS / 2; step++) {
                disturb(random, target, bystander);
            }
            target.function.hold();
            assertThat(defects).isEmpty();
            target.function.reset();
            target.set(VfRegister.VFGEN_RSTAT, 2);
            target.probe().open();
        }
    }

    /** What is refused changes nothing, what is accepted is what the function is. */
    private static void writeBroken(Random random, TestDriver target, Map<String, byte[]> parts) {
        Map<String, byte[]> broken = new HashMap<>(parts);
        String name = List.copyOf(parts.keySet()).get(random.nextInt(parts.size()));
        byte[] bytes = parts.get(name).clone();
        for (int flips = random.nextInt(3); flips >= 0 && bytes.length > 0; flips--) {
            int at = random.nextInt(bytes.length);
            bytes[at] = (byte) (random.nextBoolean() ? random.nextInt() : bytes[at] ^ (1 << random.nextInt(8)));
        }
        broken.put(name, random.nextInt(8) == 0 ? Arrays.copyOf(bytes, random.nextInt(bytes.length + 9)) : bytes);
        Map<String, byte[]> before = target.state();
        try {
            target.function.state().write(broken);
            FunctionStateTest.assertSame(target.state(), broken);
        } catch (VfioException e) {
            assertThat(e.errno()).isEqualTo(Errno.EINVAL);
            FunctionStateTest.assertSame(target.state(), before);
        }
    }

    private static void disturb(Random random, TestDriver victim, TestDriver bystander) {
        switch (random.nextInt(8)) {
            case 0 -> victim.registers.putInt(4L * random.nextInt(0x4000), number(random));
            case 1 -> {
                VfRegister[] all = VfRegister.values();
                VfRegister register = all[random.nextInt(all.length)];
                victim.function.write(register, random.nextInt(register.count()), number(random));
            }
            case 2 -> {
                VfRegister[] all = VfRegister.values();
                VfRegister register = all[random.nextInt(all.length)];
                victim.function.read(register, random.nextInt(register.count()));
            }
            case 3 -> victim.transmit(address(random), descriptor(random));
            case 4 -> victim.pointReceive(random.nextInt(TestDriver.RING), address(random));
            case 5 -> {
                ByteBuffer message = TestDriver.message(random.nextInt(200));
                while (message.remaining() >= 2) {
                    message.putShort((short) (random.nextInt(3) == 0 ? victim.vsi : number(random)));
                }
                victim.tell(random.nextInt(30), message.clear());
            }
            case 6 -> {
                synchronized (victim.guest) {
                    victim.guest.bytes.putLong(8 * random.nextInt(0x120000 / 8), random.nextLong());
                }
                victim.function.ring();
            }
            default -> bystander.transmit(TestGuest.BASE + 0x120000, 0x30L | 100L << 34);
        }
        victim.function.ring();
    }

    private static int number(Random random) {
        return switch (random.nextInt(4)) {
            case 0 -> random.nextInt(70);
            case 1 -> 1 << random.nextInt(32);
            case 2 -> -1 << random.nextInt(32);
            default -> random.nextInt();
        };
    }

    private static long address(Random random) {
        return switch (random.nextInt(4)) {
            case 0 -> TestGuest.BASE + random.nextInt(TestGuest.SIZE);
            case 1 -> TestGuest.BASE + TestGuest.SIZE - random.nextInt(100);
            case 2 -> -random.nextInt(5000);
            default -> random.nextLong();
        };
    }

    private static long descriptor(Random random) {
        return switch (random.nextInt(4)) {
            case 0 -> random.nextLong();
            case 1 ->
                1 | (long) random.nextInt(128) << 4 | (long) random.nextInt(1 << 18) << 30 | random.nextLong() << 50;
            case 2 -> (long) random.nextInt(1024) << 4 | (long) random.nextInt(1 << 14) << 34;
            default -> 0x30L | (long) random.nextInt(2048) << 34 | (random.nextLong() & 0x3_ffff_0000L);
        };
    }
}
