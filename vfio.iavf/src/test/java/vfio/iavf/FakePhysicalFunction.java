package vfio.iavf;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/** The device's end of the mailbox, correct until it is told otherwise. Works within the driver's register writes. */
final class FakePhysicalFunction {
    private final FakeRegisters registers;
    private final GuestMemory memory;
    private final List<Received> received = new ArrayList<>();

    /** What it does with a request; answers with success and no payload at first. */
    Consumer<Received> answer = request -> reply(request.opcode(), 0, new byte[0]);

    /** What it writes into descriptors that it gives back, and that it fills. */
    int takenFlags = 0x3;

    int postedFlags = 0x1003;
    int postedOpcode = 0x0802;
    int postedSize = -1;

    record Received(int flags, int command, int opcode, ByteBuffer payload) {}

    FakePhysicalFunction(FakeRegisters registers, GuestMemory memory) {
        this.registers = registers;
        this.memory = memory;
        registers.onWrite(0x8400, this::take);
    }

    List<Received> received() {
        return received;
    }

    void reply(int opcode, int status, byte[] payload) {
        int head = registers.read(0x7400);
        long descriptor = base(0x6c00, 0x6000) + head * 32L;
        long buffer = ((long) memory.bytes().getInt(descriptor + 24) << 32
                        | (memory.bytes().getInt(descriptor + 28) & 0xffff_ffffL))
                - memory.iova();
        memory.bytes().put(buffer, ByteBuffer.wrap(payload));
        memory.bytes().putShort(descriptor, postedFlags | (payload.length > 512 ? 0x200 : 0));
        memory.bytes().putShort(descriptor + 2, postedOpcode);
        memory.bytes().putShort(descriptor + 4, postedSize < 0 ? payload.length : postedSize);
        memory.bytes().putInt(descriptor + 8, opcode);
        memory.bytes().putInt(descriptor + 12, status);
        registers.set(0x7400, (head + 1) % 32);
    }

    /** An event that the link is up with 40 Gb/s. */
    void linkEvent() {
        reply(
                17,
                0,
                ByteBuffer.allocate(16)
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .putInt(1)
                        .putInt(40_000)
                        .put((byte) 1)
                        .array());
    }

    private void take(int tail) {
        if ((registers.read(0x6800) & 1 << 31) == 0) {
            return;
        }
        for (int head = registers.read(0x6400); head != tail; head = (head + 1) % 32) {
            long descriptor = base(0x7c00, 0x7800) + head * 32L;
            byte[] payload = new byte[memory.bytes().getShort(descriptor + 4)];
            if (payload.length > 0) {
                long buffer = ((long) memory.bytes().getInt(descriptor + 24) << 32
                                | (memory.bytes().getInt(descriptor + 28) & 0xffff_ffffL))
                        - memory.iova();
                memory.bytes().get(buffer, ByteBuffer.wrap(payload));
            }
            Received request = new Received(
                    memory.bytes().getShort(descriptor),
                    memory.bytes().getShort(descriptor + 2),
                    memory.bytes().getInt(descriptor + 8),
                    ByteBuffer.wrap(payload));
            received.add(request);
            memory.bytes().putShort(descriptor, request.flags() | takenFlags);
            registers.set(0x6400, (head + 1) % 32);
            if (request.command() == 0x0801) {
                answer.accept(request);
            }
        }
    }

    private long base(int low, int high) {
        return ((long) registers.read(high) << 32 | (registers.read(low) & 0xffff_ffffL)) - memory.iova();
    }
}
