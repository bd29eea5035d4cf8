package vfio.sim.xl710;

import static org.assertj.core.api.Assertions.assertThat;
import static vfio.sim.xl710.VfRegister.QRX_TAIL1;
import static vfio.sim.xl710.VfRegister.QTX_TAIL1;
import static vfio.sim.xl710.VfRegister.VF_ARQBAL1;
import static vfio.sim.xl710.VfRegister.VF_ARQH1;
import static vfio.sim.xl710.VfRegister.VF_ARQLEN1;
import static vfio.sim.xl710.VfRegister.VF_ARQT1;
import static vfio.sim.xl710.VfRegister.VF_ATQBAL1;
import static vfio.sim.xl710.VfRegister.VF_ATQH1;
import static vfio.sim.xl710.VfRegister.VF_ATQLEN1;
import static vfio.sim.xl710.VfRegister.VF_ATQT1;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.awaitility.Awaitility;
import org.awaitility.core.ConditionFactory;
import vfio.pci.api.device.HardwareState;
import vfio.sim.HeapMemory;

/** As much of a driver as tests of one function need, right at its registers. */
final class TestDriver implements AutoCloseable {
    static final int ENTRIES = 32;
    static final int RING = 64;
    static final int BUFFER = 2048;

    private static final long ATQ = TestGuest.BASE;
    private static final long ARQ = TestGuest.BASE + 0x1000;
    private static final long MESSAGE = TestGuest.BASE + 0x2000;
    private static final long MAILBOX = TestGuest.BASE + 0x10000;
    private static final long TRANSMIT = TestGuest.BASE + 0x100000;
    private static final long RECEIVE = TestGuest.BASE + 0x110000;
    private static final long FRAMES = TestGuest.BASE + 0x120000;
    private static final long BUFFERS = TestGuest.BASE + 0x200000;

    HeapMemory registers = new HeapMemory("BAR0", 0x10000);
    final TestGuest guest = new TestGuest();
    List<Integer> fired;
    VirtualFunction function;
    volatile boolean busMaster = true;
    int vsi;
    long mac;
    private int nextMessage;
    private int nextReply;
    private int nextTransmit;
    private int nextReceive;

    /** A message of the physical function. */
    record Message(int opcode, int status, ByteBuffer payload) {}

    TestDriver(Adapter adapter, int number) {
        registers.putInt(VfRegister.VFGEN_RSTAT.offset(), VfRegister.VFGEN_RSTAT.reset());
        FakeVectors vectors = new FakeVectors();
        fired = vectors.fired;
        function = adapter.function(number, registers, () -> busMaster, vectors);
        function.attach(guest);
    }

    /** The parts of the state of the function. */
    Map<String, byte[]> state() {
        HardwareState state = function.state();
        return state.parts().stream().collect(Collectors.toMap(part -> part, state::read));
    }

    /**
     * Moves the function into another one, as a vendor's driver does, together with the guest, which knows nothing of it. Both are
     * frozen then.
     *
     * @param other one that nobody has used
     */
    void moveTo(TestDriver other) {
        function.state().freeze();
        other.function.state().freeze();
        for (VfRegister register : VfRegister.values()) {
            for (int index = 0; register.access() == VfRegister.Access.CONTROL && index < register.count(); index++) {
                other.function.write(register, index, registers.getInt(register.at(index)));
            }
        }
        for (VfRegister register : VfRegister.values()) {
            boolean written =
                    register.access() == VfRegister.Access.STORAGE || register.access() == VfRegister.Access.DOORBELL;
            for (int index = 0; written && index < register.count(); index++) {
                other.registers.putInt(register.at(index), registers.getInt(register.at(index)));
            }
        }
        other.function.state().write(state());
        function.detach();
        registers = other.registers;
        fired = other.fired;
        function = other.function;
        function.attach(guest);
    }

    static ConditionFactory await(String what) {
        return Awaitility.await(what).atMost(Duration.ofSeconds(10)).pollInterval(Duration.ofMillis(1));
    }

    /** Sets up the admin queues and takes the function. */
    TestDriver probe() {
        mailbox();
        assertThat(ask(1, message(8).putInt(0, 1).putInt(4, 1)).status).isZero();
        Message resources = ask(3, message(4).putInt(0, -1));
        assertThat(resources.status).isZero();
        vsi = resources.payload.getShort(20) & 0xffff;
        mac = resources.payload.order(ByteOrder.BIG_ENDIAN).getLong(28) & 0xffff_ffff_ffffL;
        return this;
    }

    void mailbox() {
        nextMessage = 0;
        nextReply = 0;
        set(VF_ATQH1, 0);
        set(VF_ATQT1, 0);
        set(VF_ATQLEN1, ENTRIES | AdminQueue.ENABLE);
        set(VF_ATQBAL1, (int) ATQ);
        set(VF_ARQH1, 0);
        set(VF_ARQT1, 0);
        set(VF_ARQLEN1, ENTRIES | AdminQueue.ENABLE);
        set(VF_ARQBAL1, (int) ARQ);
        for (int entry = 0; entry < ENTRIES; entry++) {
            post(entry);
        }
        set(VF_ARQT1, ENTRIES - 1);
        function.ring();
    }

    /** Brings up queue 0, for one who polls. */
    TestDriver open() {
        fill();
        assertThat(ask(7, mapping()).status).isZero();
        assertThat(ask(6, queues(RING)).status).isZero();
        assertThat(ask(8, enabling(1, 1)).status).isZero();
        function.write(VfRegister.VFINT_DYN_CTLN1, 0, InterruptControl.WB_ON_ITR | 3 << 3);
        assertThat(next().opcode).as("the link's state").isEqualTo(Virtchnl.OP_EVENT);
        return this;
    }

    /** Sends a request and returns the reply. */
    Message ask(int opcode, ByteBuffer payload) {
        tell(opcode, payload);
        Message reply = next();
        assertThat(reply.opcode).isEqualTo(opcode);
        return reply;
    }

    /** Sends a message. */
    void tell(int opcode, ByteBuffer payload) {
        synchronized (guest) {
            guest.bytes.put(at(MESSAGE), payload, 0, payload.limit());
            descriptor(ATQ, nextMessage, 0x3400, 0x0801, payload.limit(), opcode, MESSAGE);
        }
        nextMessage = (nextMessage + 1) % ENTRIES;
        set(VF_ATQT1, nextMessage);
        function.ring();
    }

    /** Whether there is a message of the physical function. */
    boolean hasNext() {
        return get(VF_ARQH1) != nextReply;
    }

    /** Takes the next message of the physical function. */
    Message next() {
        await("a message").until(this::hasNext);
        Message message;
        synchronized (guest) {
            int entry = at(ARQ) + nextReply * AdminDescriptor.SIZE;
            assertThat(guest.bytes.getShort(entry) & 7).as("DD, CMP, ERR").isEqualTo(3);
            assertThat(guest.bytes.getShort(entry + 2)).isEqualTo((short) 0x0802);
            int length = guest.bytes.getShort(entry + 4);
            byte[] payload = new byte[length];
            guest.bytes.get(at(MAILBOX) + nextReply * 4096, payload);
            message = new Message(
                    guest.bytes.getInt(entry + 8),
                    guest.bytes.getInt(entry + 12),
                    ByteBuffer.wrap(payload).order(ByteOrder.LITTLE_ENDIAN));
            post(nextReply);
        }
        set(VF_ARQT1, nextReply);
        nextReply = (nextReply + 1) % ENTRIES;
        function.ring();
        return message;
    }

    /** Sends a frame. */
    void send(byte... frame) {
        long address = FRAMES + nextTransmit * (long) BUFFER;
        synchronized (guest) {
            guest.bytes.put(at(address), frame);
        }
        transmit(address, 0x30L | (long) frame.length << 34);
    }

    /** Posts a descriptor as it is. */
    void transmit(long address, long control) {
        synchronized (guest) {
            guest.bytes.putLong(at(TRANSMIT) + 16 * nextTransmit, address);
            guest.bytes.putLong(at(TRANSMIT) + 16 * nextTransmit + 8, control);
        }
        nextTransmit = (nextTransmit + 1) % RING;
        set(QTX_TAIL1, nextTransmit);
        function.ring();
    }

    /** The second quadword of a transmit descriptor. */
    long control(int descriptor) {
        synchronized (guest) {
            return guest.bytes.getLong(at(TRANSMIT) + 16 * descriptor + 8);
        }
    }

    /** Where a receive descriptor points. */
    void pointReceive(int descriptor, long address) {
        synchronized (guest) {
            guest.bytes.putLong(at(RECEIVE) + 32 * descriptor, address);
        }
    }

    boolean hasReceived() {
        synchronized (guest) {
            return (guest.bytes.getLong(at(RECEIVE) + 32 * nextReceive + 8) & 1) != 0;
        }
    }

    /** Takes the next frame, of one buffer. */
    byte[] receive() {
        await("a frame").until(this::hasReceived);
        synchronized (guest) {
            long status = guest.bytes.getLong(at(RECEIVE) + 32 * nextReceive + 8);
            byte[] frame = new byte[(int) (status >>> 38) & 0x3fff];
            guest.bytes.get(at(BUFFERS) + nextReceive * BUFFER, frame);
            nextReceive = (nextReceive + 1) % RING;
            return frame;
        }
    }

    /** Takes the next frame and posts its buffer again. */
    byte[] take() {
        int entry = nextReceive;
        byte[] frame = receive();
        synchronized (guest) {
            guest.bytes.putLong(at(RECEIVE) + 32 * entry, BUFFERS + (long) entry * BUFFER);
            guest.bytes.putLong(at(RECEIVE) + 32 * entry + 8, 0);
        }
        set(QRX_TAIL1, entry);
        return frame;
    }

    List<byte[]> receive(int count) {
        List<byte[]> frames = new ArrayList<>();
        for (int frame = 0; frame < count; frame++) {
            frames.add(receive());
        }
        return frames;
    }

    /** A frame to an address with a number in it. */
    byte[] frame(long destination, int length, int number) {
        ByteBuffer frame = ByteBuffer.allocate(length);
        frame.putLong(0, destination << 16).putLong(6, mac << 16).putShort(12, (short) 0x88b5);
        if (length >= 18) {
            frame.putInt(14, number);
        }
        return frame.array();
    }

    ByteBuffer mapping() {
        return message(26)
                .putShort(0, (short) 2)
                .putShort(2, (short) vsi)
                .putShort(4, (short) 1)
                .putShort(6, (short) 1)
                .putShort(8, (short) 1)
                .putShort(14, (short) vsi);
    }

    ByteBuffer queues(int ring) {
        ByteBuffer queues = message(136).putShort(0, (short) vsi).putShort(2, (short) 1);
        queues.putShort(8, (short) vsi).putShort(12, (short) ring).putLong(16, TRANSMIT);
        queues.putShort(32, (short) vsi).putInt(36, ring).putInt(44, BUFFER).putInt(48, 9728);
        return queues.putLong(56, RECEIVE);
    }

    ByteBuffer enabling(int receive, int transmit) {
        return message(12).putShort(0, (short) vsi).putInt(4, receive).putInt(8, transmit);
    }

    ByteBuffer addresses(long... addresses) {
        ByteBuffer list = message(4 + 8 * addresses.length).putShort(0, (short) vsi);
        list.putShort(2, (short) addresses.length);
        for (int index = 0; index < addresses.length; index++) {
            for (int octet = 0; octet < 6; octet++) {
                list.put(4 + 8 * index + octet, (byte) (addresses[index] >>> (40 - 8 * octet)));
            }
        }
        return list;
    }

    static ByteBuffer message(int length) {
        return ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
    }

    int get(VfRegister register) {
        return registers.getInt(register.offset());
    }

    void set(VfRegister register, int value) {
        registers.putInt(register.offset(), value);
    }

    @Override
    public void close() {
        function.close();
    }

    private void fill() {
        nextTransmit = 0;
        nextReceive = 0;
        synchronized (guest) {
            for (int entry = 0; entry < RING; entry++) {
                guest.bytes.putLong(at(RECEIVE) + 32 * entry, BUFFERS + (long) entry * BUFFER);
                guest.bytes.putLong(at(RECEIVE) + 32 * entry + 8, 0);
            }
        }
        set(QRX_TAIL1, RING - 1);
    }

    private void post(int entry) {
        synchronized (guest) {
            descriptor(ARQ, entry, 0x1200, 0, 4096, 0, MAILBOX + entry * 4096L);
        }
    }

    private void descriptor(long ring, int entry, int flags, int opcode, int length, int cookie, long address) {
        int at = at(ring) + entry * AdminDescriptor.SIZE;
        guest.bytes
                .putShort(at, (short) flags)
                .putShort(at + 2, (short) opcode)
                .putShort(at + 4, (short) length)
                .putShort(at + 6, (short) 0)
                .putInt(at + 8, cookie)
                .putInt(at + 12, 0)
                .putLong(at + 16, 0)
                .putInt(at + 24, (int) (address >>> 32))
                .putInt(at + 28, (int) address);
    }

    private static int at(long address) {
        return (int) (address - TestGuest.BASE);
    }
}
