package mediate.i40e;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Optional;
import vfio.pci.api.mediate.HandOverState;

/**
 * What a mediation leaves to its successor.
 *
 * <p>Version 1 of schema {@code i40e}: the three counters in this order, 8 bytes each, and a byte that is 1 if tracking was
 * requested and 0 if not; little-endian.
 *
 * @param reads of BAR0 that were trapped
 * @param writes of BAR0 that were trapped
 * @param tailWrites writes of tails while tracking was requested
 * @param tracking whether tracking is requested
 */
record VirtualFunctionState(long reads, long writes, long tailWrites, boolean tracking) {
    static final String SCHEMA = "i40e";
    static final int VERSION = 1;

    /** What a function begins with. */
    static final VirtualFunctionState NEW = new VirtualFunctionState(0, 0, 0, false);

    private static final int SIZE = 3 * Long.BYTES + 1;

    HandOverState encode() {
        ByteBuffer data = ByteBuffer.allocate(SIZE).order(ByteOrder.LITTLE_ENDIAN);
        data.putLong(reads).putLong(writes).putLong(tailWrites).put((byte) (tracking ? 1 : 0));
        return new HandOverState(SCHEMA, VERSION, data.array());
    }

    /** Why a state cannot be read; empty if it can be. */
    static Optional<String> objection(HandOverState state) {
        if (!state.isReadableAs(SCHEMA, VERSION)) {
            return Optional.of(
                    "a state of " + state + " was left; " + SCHEMA + " up to version " + VERSION + " is known");
        }
        if (state.data().length != SIZE) {
            return Optional.of("a state of " + state + " was left; it should have " + SIZE);
        }
        VirtualFunctionState read = decode(state);
        if ((read.reads | read.writes | read.tailWrites) < 0 || (state.data()[SIZE - 1] & ~1) != 0) {
            return Optional.of("a state of " + state + " was left; its values cannot be");
        }
        return Optional.empty();
    }

    /** Reads a state to which there is no objection. */
    static VirtualFunctionState decode(HandOverState state) {
        ByteBuffer data = ByteBuffer.wrap(state.data()).order(ByteOrder.LITTLE_ENDIAN);
        return new VirtualFunctionState(data.getLong(), data.getLong(), data.getLong(), data.get() == 1);
    }
}
