package mediate.igd;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Optional;
import vfio.pci.api.mediate.HandOverState;

/**
 * What a mediation leaves to its successor.
 *
 * <p>Version 1 of schema {@code igd}: the four counters in this order, 8 bytes each, and a byte that is 1 if trapping is wanted
 * and 0 if not; little-endian.
 *
 * @param reads of BAR0 that were trapped
 * @param writes of BAR0 that were trapped
 * @param traps requests to trap
 * @param untraps requests to trap no longer
 * @param wanted whether the last request was one to trap
 */
record GraphicsState(long reads, long writes, long traps, long untraps, boolean wanted) {
    static final String SCHEMA = "igd";
    static final int VERSION = 1;

    /** What a device begins with. */
    static final GraphicsState NEW = new GraphicsState(0, 0, 0, 0, false);

    private static final int SIZE = 4 * Long.BYTES + 1;

    HandOverState encode() {
        ByteBuffer data = ByteBuffer.allocate(SIZE).order(ByteOrder.LITTLE_ENDIAN);
        data.putLong(reads).putLong(writes).putLong(traps).putLong(untraps).put((byte) (wanted ? 1 : 0));
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
        GraphicsState read = decode(state);
        boolean negative = (read.reads | read.writes | read.traps | read.untraps) < 0;
        if (negative || (state.data()[SIZE - 1] & ~1) != 0) {
            return Optional.of("a state of " + state + " was left; its values cannot be");
        }
        return Optional.empty();
    }

    /** Reads a state to which there is no objection. */
    static GraphicsState decode(HandOverState state) {
        ByteBuffer data = ByteBuffer.wrap(state.data()).order(ByteOrder.LITTLE_ENDIAN);
        return new GraphicsState(data.getLong(), data.getLong(), data.getLong(), data.getLong(), data.get() == 1);
    }
}
