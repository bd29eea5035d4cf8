package mediate.i40e;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import vfio.pci.api.device.DmaRange;
import vfio.pci.api.mediate.HandOverState;

/**
 * What a mediation leaves to its successor.
 *
 * <p>Version 1 of schema {@code i40e}: the three counters in this order, 8 bytes each, and a byte that is 1 if tracking was
 * requested and 0 if not; little-endian. Version 2 goes on with a byte that is 1 if the device is stopped because it is being moved, and
 * one that is 1 if it is logged what it writes; only then follow the page size (8 bytes), the number of ranges (4), each with address and length
 * (8 and 8), and in UTF-8 who has it logged, to the end.
 *
 * @param reads of BAR0 that were trapped
 * @param writes of BAR0 that were trapped
 * @param tailWrites writes of tails while tracking was requested
 * @param tracking whether tracking is requested
 * @param stopped whether the device is neither running nor as it was
 * @param logged what is logged, if anything is
 */
record VirtualFunctionState(
        long reads, long writes, long tailWrites, boolean tracking, boolean stopped, Optional<Logged> logged) {
    static final String SCHEMA = "i40e";
    static final int VERSION = 2;

    /** What a function begins with. */
    static final VirtualFunctionState NEW = new VirtualFunctionState(0, 0, 0, false, false, Optional.empty());

    private static final int SIZE_1 = 3 * Long.BYTES + 1;
    private static final int RANGE = 2 * Long.BYTES;

    /**
     * What is logged.
     *
     * @param user who has it logged
     * @param pageSize as it was asked for
     * @param ranges as they were asked for
     */
    record Logged(String user, long pageSize, List<DmaRange> ranges) {}

    HandOverState encode() {
        byte[] user = logged.map(Logged::user).orElse("").getBytes(StandardCharsets.UTF_8);
        int ranges = logged.map(what -> what.ranges.size()).orElse(0);
        ByteBuffer data = ByteBuffer.allocate(SIZE_1
                        + 2
                        + (logged.isPresent() ? Long.BYTES + Integer.BYTES + ranges * RANGE + user.length : 0))
                .order(ByteOrder.LITTLE_ENDIAN);
        data.putLong(reads).putLong(writes).putLong(tailWrites).put(flag(tracking));
        data.put(flag(stopped)).put(flag(logged.isPresent()));
        logged.ifPresent(what -> {
            data.putLong(what.pageSize).putInt(ranges);
            what.ranges.forEach(range -> data.putLong(range.iova()).putLong(range.length()));
            data.put(user);
        });
        return new HandOverState(SCHEMA, VERSION, data.array());
    }

    /** Why a state cannot be read; empty if it can be. */
    static Optional<String> objection(HandOverState state) {
        if (!state.isReadableAs(SCHEMA, VERSION)) {
            return Optional.of(
                    "a state of " + state + " was left; " + SCHEMA + " up to version " + VERSION + " is known");
        }
        if (state.version() == 1 && state.data().length != SIZE_1) {
            return Optional.of("a state of " + state + " was left; it should have " + SIZE_1);
        }
        try {
            VirtualFunctionState read = decode(state);
            if ((read.reads | read.writes | read.tailWrites) >= 0) {
                return Optional.empty();
            }
        } catch (BufferUnderflowException | IllegalArgumentException e) {
            // It is not as it should be.
        }
        return Optional.of("a state of " + state + " was left; its values cannot be");
    }

    /** Reads a state to which there is no objection. */
    static VirtualFunctionState decode(HandOverState state) {
        ByteBuffer data = ByteBuffer.wrap(state.data()).order(ByteOrder.LITTLE_ENDIAN);
        long reads = data.getLong();
        long writes = data.getLong();
        long tailWrites = data.getLong();
        boolean tracking = flag(data);
        boolean stopped = state.version() > 1 && flag(data);
        Optional<Logged> logged = state.version() > 1 && flag(data) ? Optional.of(logged(data)) : Optional.empty();
        return new VirtualFunctionState(reads, writes, tailWrites, tracking, stopped, logged);
    }

    private static Logged logged(ByteBuffer data) {
        long pageSize = data.getLong();
        int count = data.getInt();
        if (count < 0 || count > data.remaining() / RANGE) {
            throw new IllegalArgumentException("so many ranges are not there: " + count);
        }
        List<DmaRange> ranges = new ArrayList<>();
        for (int range = 0; range < count; range++) {
            ranges.add(new DmaRange(data.getLong(), data.getLong()));
        }
        return new Logged(StandardCharsets.UTF_8.decode(data).toString(), pageSize, List.copyOf(ranges));
    }

    private static byte flag(boolean value) {
        return (byte) (value ? 1 : 0);
    }

    private static boolean flag(ByteBuffer data) {
        byte value = data.get();
        if ((value & ~1) != 0) {
            throw new IllegalArgumentException("neither 0 nor 1: " + value);
        }
        return value == 1;
    }
}
