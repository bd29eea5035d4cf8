package vfio.iavf;

import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.Memory;

/** The admin receive queue: 32 descriptors, of which 31 are offered to the device, with a buffer of 4096 bytes each. */
final class AdminReceiveQueue {
    static final int LENGTH = 32;
    static final int BUFFER_SIZE = 4096;

    /** Fills a buffer before it is offered, to see what the device has written. */
    private static final byte CANARY = (byte) 0xa5;

    private final RegisterSpace registers;
    private final GuestMemory memory;
    private final Memory bytes;
    private final long ring;
    private final long buffers;
    private int next;
    private int tail;

    AdminReceiveQueue(RegisterSpace registers, GuestMemory memory) {
        this.registers = registers;
        this.memory = memory;
        bytes = memory.bytes();
        ring = memory.allocate(LENGTH * AdminDescriptor.SIZE, BUFFER_SIZE);
        buffers = memory.allocate(LENGTH * BUFFER_SIZE, BUFFER_SIZE);
    }

    void start() {
        for (int index = 0; index < LENGTH; index++) {
            offer(index);
        }
        next = 0;
        tail = LENGTH - 1;
        long address = memory.address(ring);
        registers.write(VfRegister.VF_ARQH1, 0);
        registers.write(VfRegister.VF_ARQT1, 0);
        registers.write(VfRegister.VF_ARQLEN1, LENGTH | VfRegister.LEN_ENABLE);
        registers.write(VfRegister.VF_ARQBAL1, (int) address);
        registers.write(VfRegister.VF_ARQBAH1, (int) (address >>> Integer.SIZE));
        registers.write(VfRegister.VF_ARQT1, tail);
        int base = registers.read(VfRegister.VF_ARQBAL1);
        if (base != (int) address) {
            throw new DeviceViolation("VF_ARQBAL1 reads " + hex(base) + " after " + hex((int) address)
                    + " was written; the queue cannot be used");
        }
    }

    boolean enabled() {
        return (registers.read(VfRegister.VF_ARQLEN1) & VfRegister.LEN_ENABLE) != 0;
    }

    /** What the device reports, {@link VfRegister#LEN_ERRORS}; clears it. */
    int takeErrors() {
        int length = registers.read(VfRegister.VF_ARQLEN1);
        int errors = length & VfRegister.LEN_ERRORS;
        if (errors != 0) {
            registers.write(VfRegister.VF_ARQLEN1, length & ~errors);
        }
        return errors;
    }

    /** The next message; null if there is none. */
    @Nullable
    Message poll() {
        int head = registers.read(VfRegister.VF_ARQH1);
        if (head < 0 || head >= LENGTH) {
            throw new DeviceViolation("VF_ARQH1 is " + hex(head) + "; the queue has " + LENGTH + " descriptors");
        }
        if (head == next) {
            checkEmpty(next);
            return null;
        }
        if (distance(next, head) > distance(next, tail)) {
            throw new DeviceViolation("VF_ARQH1 is " + head + ", beyond what was offered, " + next + " to " + tail);
        }
        VarHandle.acquireFence();
        Message message = take(next);
        offer(next);
        registers.write(VfRegister.VF_ARQT1, next);
        tail = next;
        next = (next + 1) % LENGTH;
        return message;
    }

    void shutdown() {
        registers.write(VfRegister.VF_ARQH1, 0);
        registers.write(VfRegister.VF_ARQT1, 0);
        registers.write(VfRegister.VF_ARQLEN1, 0);
        registers.write(VfRegister.VF_ARQBAL1, 0);
        registers.write(VfRegister.VF_ARQBAH1, 0);
    }

    private Message take(int index) {
        long descriptor = descriptor(index);
        int size = bytes.getShort(descriptor + AdminDescriptor.DATALEN);
        require(size <= BUFFER_SIZE, "datalen is " + size + ", the buffer has " + BUFFER_SIZE + " bytes");
        int flags = bytes.getShort(descriptor + AdminDescriptor.FLAGS);
        int expected = AdminDescriptor.FLAG_DD | AdminDescriptor.FLAG_CMP | AdminDescriptor.FLAG_BUF;
        if (size > AdminDescriptor.LARGE_BUFFER) {
            expected |= AdminDescriptor.FLAG_LB;
        }
        require(
                flags == expected || (size == 0 && flags == (expected & ~AdminDescriptor.FLAG_BUF)),
                "flags are " + hex(flags) + " instead of " + hex(expected));
        int command = bytes.getShort(descriptor + AdminDescriptor.OPCODE);
        require(
                command == AdminDescriptor.SEND_MSG_TO_VF,
                "the opcode is " + hex(command) + " instead of " + hex(AdminDescriptor.SEND_MSG_TO_VF));
        int returned = bytes.getShort(descriptor + AdminDescriptor.RETVAL);
        require(returned == 0, "retval is " + returned);
        int opcode = bytes.getInt(descriptor + AdminDescriptor.COOKIE_HIGH);
        require(opcode != 0, "the virtchnl opcode is 0");
        long address = memory.address(buffer(index));
        require(
                bytes.getInt(descriptor + AdminDescriptor.ADDRESS_LOW) == (int) address
                        && bytes.getInt(descriptor + AdminDescriptor.ADDRESS_HIGH) == (int) (address >>> Integer.SIZE),
                "the address words were changed");
        long touched = memory.mismatch(buffer(index) + size, BUFFER_SIZE - size, CANARY);
        require(touched < 0, "byte " + (touched - buffer(index)) + " behind a payload of " + size + " was written");

        ByteBuffer payload = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
        bytes.get(buffer(index), payload);
        return new Message(opcode, bytes.getInt(descriptor + AdminDescriptor.COOKIE_LOW), payload.flip());
    }

    private void offer(int index) {
        long descriptor = descriptor(index);
        long address = memory.address(buffer(index));
        memory.fill(buffer(index), BUFFER_SIZE, CANARY);
        memory.fill(descriptor, AdminDescriptor.SIZE, (byte) 0);
        bytes.putShort(descriptor + AdminDescriptor.FLAGS, AdminDescriptor.FLAG_BUF | AdminDescriptor.FLAG_LB);
        bytes.putShort(descriptor + AdminDescriptor.DATALEN, BUFFER_SIZE);
        bytes.putInt(descriptor + AdminDescriptor.ADDRESS_HIGH, (int) (address >>> Integer.SIZE));
        bytes.putInt(descriptor + AdminDescriptor.ADDRESS_LOW, (int) address);
    }

    /** The head moves last, so a descriptor that is done at the head is the next message or none at all. */
    private void checkEmpty(int index) {
        if (index == tail) {
            int flags = bytes.getShort(descriptor(index) + AdminDescriptor.FLAGS);
            require((flags & AdminDescriptor.FLAG_DD) == 0, "a message stands at the tail, which was not offered");
        }
    }

    private long descriptor(int index) {
        return ring + (long) index * AdminDescriptor.SIZE;
    }

    private long buffer(int index) {
        return buffers + (long) index * BUFFER_SIZE;
    }

    private static int distance(int from, int to) {
        return Math.floorMod(to - from, LENGTH);
    }

    private static void require(boolean rule, String otherwise) {
        if (!rule) {
            throw new DeviceViolation("a message of the PF breaks the rules of the admin receive queue: " + otherwise);
        }
    }

    private static String hex(int value) {
        return "0x" + Integer.toHexString(value);
    }
}
