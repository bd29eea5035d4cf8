package vfio.iavf;

import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import vfio.pci.api.device.Memory;

/** The admin transmit queue: 32 descriptors with a buffer of 4096 bytes each. */
final class AdminSendQueue {
    static final int LENGTH = 32;
    static final int BUFFER_SIZE = 4096;

    private final RegisterSpace registers;
    private final Memory bytes;
    private final long ring;
    private final long ringAddress;
    private final long buffers;
    private final long buffersAddress;

    /** What was written into each descriptor, to see that the device keeps what it must keep. */
    private final ByteBuffer sent =
            ByteBuffer.allocate(LENGTH * AdminDescriptor.SIZE).order(ByteOrder.LITTLE_ENDIAN);

    private int next;
    private int clean;

    AdminSendQueue(RegisterSpace registers, GuestMemory memory) {
        this.registers = registers;
        bytes = memory.bytes();
        ring = memory.allocate(LENGTH * AdminDescriptor.SIZE, BUFFER_SIZE);
        ringAddress = memory.address(ring);
        buffers = memory.allocate(LENGTH * BUFFER_SIZE, BUFFER_SIZE);
        buffersAddress = memory.address(buffers);
    }

    void start() {
        next = 0;
        clean = 0;
        registers.write(VfRegister.VF_ATQH1, 0);
        registers.write(VfRegister.VF_ATQT1, 0);
        registers.write(VfRegister.VF_ATQLEN1, LENGTH | VfRegister.LEN_ENABLE);
        registers.write(VfRegister.VF_ATQBAL1, (int) ringAddress);
        registers.write(VfRegister.VF_ATQBAH1, (int) (ringAddress >>> Integer.SIZE));
        int base = registers.read(VfRegister.VF_ATQBAL1);
        if (base != (int) ringAddress) {
            throw new DeviceViolation("VF_ATQBAL1 reads " + hex(base) + " after " + hex((int) ringAddress)
                    + " was written; the queue cannot be used");
        }
    }

    boolean enabled() {
        return (registers.read(VfRegister.VF_ATQLEN1) & VfRegister.LEN_ENABLE) != 0;
    }

    /** Sends a message to the PF and does not wait. */
    void send(int opcode, ByteBuffer payload) {
        int size = payload.remaining();
        int flags = AdminDescriptor.FLAG_SI;
        if (size > BUFFER_SIZE) {
            throw new IllegalArgumentException("a message of " + size + " bytes; there is room for " + BUFFER_SIZE);
        }
        if (size > 0) {
            flags |= AdminDescriptor.FLAG_BUF | AdminDescriptor.FLAG_RD;
        }
        if (size > AdminDescriptor.LARGE_BUFFER) {
            flags |= AdminDescriptor.FLAG_LB;
        }
        reclaim();
        long buffer = (long) next * BUFFER_SIZE;
        bytes.put(buffers + buffer, payload.duplicate());
        int at = prepare(flags, AdminDescriptor.SEND_MSG_TO_PF);
        sent.putShort(at + AdminDescriptor.DATALEN, (short) size);
        sent.putInt(at + AdminDescriptor.COOKIE_HIGH, opcode);
        if (size > 0) {
            sent.putInt(at + AdminDescriptor.ADDRESS_HIGH, (int) ((buffersAddress + buffer) >>> Integer.SIZE));
            sent.putInt(at + AdminDescriptor.ADDRESS_LOW, (int) (buffersAddress + buffer));
        }
        post(at);
    }

    /** Waits until the device has taken everything, and checks how it gave the descriptors back. */
    void awaitTaken(Deadline deadline) {
        while (clean != next) {
            reclaim();
            if (clean != next) {
                if (deadline.expired()) {
                    throw new DeviceViolation("VF_ATQH1 is " + registers.read(VfRegister.VF_ATQH1) + " and not " + next
                            + " after " + deadline + ": the device does not take messages");
                }
                deadline.pause();
            }
        }
    }

    /** Tells the device that the queues go, waits, and clears the registers. */
    void shutdown(Deadline deadline) {
        if (enabled()) {
            reclaim();
            int at = prepare(AdminDescriptor.FLAG_SI, AdminDescriptor.QUEUE_SHUTDOWN);
            sent.putInt(at + AdminDescriptor.PARAM0, AdminDescriptor.DRIVER_UNLOADING);
            post(at);
            awaitTaken(deadline);
        }
        registers.write(VfRegister.VF_ATQH1, 0);
        registers.write(VfRegister.VF_ATQT1, 0);
        registers.write(VfRegister.VF_ATQLEN1, 0);
        registers.write(VfRegister.VF_ATQBAL1, 0);
        registers.write(VfRegister.VF_ATQBAH1, 0);
    }

    private int prepare(int flags, int opcode) {
        if ((next + 1) % LENGTH == clean) {
            throw new DeviceViolation(
                    "the admin transmit queue is full: the device has not taken " + (LENGTH - 1) + " messages");
        }
        int at = next * AdminDescriptor.SIZE;
        for (int word = 0; word < AdminDescriptor.SIZE; word += Long.BYTES) {
            sent.putLong(at + word, 0);
        }
        sent.putShort(at + AdminDescriptor.FLAGS, (short) flags);
        sent.putShort(at + AdminDescriptor.OPCODE, (short) opcode);
        return at;
    }

    private void post(int at) {
        bytes.put(ring + at, sent.duplicate().limit(at + AdminDescriptor.SIZE).position(at));
        next = (next + 1) % LENGTH;
        registers.write(VfRegister.VF_ATQT1, next);
    }

    private void reclaim() {
        int head = registers.read(VfRegister.VF_ATQH1);
        if (head < 0 || head >= LENGTH) {
            throw new DeviceViolation("VF_ATQH1 is " + hex(head) + "; the queue has " + LENGTH + " descriptors");
        }
        if (distance(clean, head) > distance(clean, next)) {
            throw new DeviceViolation(
                    "VF_ATQH1 is " + head + " while only what is before " + next + " has been posted");
        }
        VarHandle.acquireFence();
        for (; clean != head; clean = (clean + 1) % LENGTH) {
            checkCompletion(clean * AdminDescriptor.SIZE);
        }
    }

    private void checkCompletion(int at) {
        int flags = bytes.getShort(ring + at + AdminDescriptor.FLAGS);
        int expected = (sent.getShort(at + AdminDescriptor.FLAGS) & 0xffff)
                | AdminDescriptor.FLAG_DD
                | AdminDescriptor.FLAG_CMP;
        if (flags != expected) {
            throw new DeviceViolation("a descriptor of the admin transmit queue came back with flags " + hex(flags)
                    + " instead of " + hex(expected));
        }
        int returned = bytes.getShort(ring + at + AdminDescriptor.RETVAL);
        if (returned != 0) {
            throw new DeviceViolation("a descriptor of the admin transmit queue came back with retval " + returned);
        }
        for (int offset = 0; offset < AdminDescriptor.SIZE; offset += Short.BYTES) {
            boolean kept = offset != AdminDescriptor.FLAGS && offset != AdminDescriptor.RETVAL;
            if (kept && bytes.getShort(ring + at + offset) != (sent.getShort(at + offset) & 0xffff)) {
                throw new DeviceViolation("the device changed byte " + offset
                        + " of a descriptor of the admin transmit queue; only flags and retval are its own");
            }
        }
    }

    private static int distance(int from, int to) {
        return Math.floorMod(to - from, LENGTH);
    }

    private static String hex(int value) {
        return "0x" + Integer.toHexString(value);
    }
}
