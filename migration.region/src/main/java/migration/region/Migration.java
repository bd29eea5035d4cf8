package migration.region;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import migration.region.SavedState.Origin;
import migration.region.SavedState.Section;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/**
 * The migration of one device: its state machine, and the stream that is read from it or written to it. Whatever drives it, a
 * region or device features, drives this one object; what the device has to do is said in {@link Device}.
 *
 * <p>The state is read when the device is stopped, so while it runs nothing but what it writes to client memory is to be had, by
 * {@link #tracker}. What is written takes effect when {@link MigrationState#RESUMING} is left, as a whole. If it is refused, the
 * device is as it was, and the state still RESUMING with nothing written; if the device fails on it, that is an {@link
 * MigrationState#ERROR}.
 *
 * <p>Safe for several threads: one thing at a time.
 */
public final class Migration {
    /** Bytes of memory for what is written, at first. */
    private static final int WRITTEN_FIRST = 1 << 16;

    private final Origin origin;
    private final Device device;
    private final MigrationStateMachine machine;
    private @Nullable ByteBuffer saved;
    private @Nullable ByteBuffer written;
    private @Nullable DirtyBitmap tracker;

    /** A vendor's part. Calls come one at a time; what they throw is told to whoever asked. */
    public interface Device {
        /** Stops: on return there is no DMA and no interrupt of the device, and none comes. */
        void stop();

        /** Goes on. */
        void run();

        /**
         * The state, section by section. The device is stopped.
         *
         * @return in the order in which they are to be loaded
         */
        List<Section> save();

        /** Names of the sections that {@link #load} understands. */
        Set<String> sections();

        /**
         * Takes over a state that has been checked: it is of such a device and driver, whole, and every section is known or
         * optional. The device is stopped.
         *
         * @throws VfioException EINVAL if its content makes no sense; the device is then as if it had been broken
         */
        void load(SavedState state);

        /**
         * Begins to watch what the device writes to client memory.
         *
         * @return where it is told, from now on
         * @throws VfioException EOPNOTSUPP, as by default, if the device cannot, and then it cannot have its state read while it
         *     runs; another errno if it cannot now
         */
        default DirtyBitmap track() {
            throw new VfioException(Errno.EOPNOTSUPP, "this driver does not track what the device writes");
        }

        /** Ends that. */
        default void untrack() {}
    }

    /**
     * A device that runs.
     *
     * @param origin what its states say of where they come from
     * @param tracks whether the device can watch what it writes, and so offers {@link MigrationState#PRE_COPY}
     */
    public Migration(Origin origin, boolean tracks, Device device) {
        this.origin = Objects.requireNonNull(origin);
        this.device = Objects.requireNonNull(device);
        machine = new MigrationStateMachine(tracks, false, this::take);
    }

    /** The state now. */
    public MigrationState state() {
        return machine.state();
    }

    /**
     * Takes the device to a state; see {@link MigrationStateMachine#request}.
     *
     * @throws VfioException EINVAL if no way leads there; else what the device or the stream that was written fails with
     */
    public synchronized void request(MigrationState target) {
        machine.request(target);
    }

    /** The device has been reset: it runs, and nobody migrates it any more. */
    public synchronized void reset() {
        end();
        written = null;
        machine.reset();
    }

    /** What the device has written since it is watched; empty if it is not. */
    public synchronized Optional<DirtyBitmap> tracker() {
        return Optional.ofNullable(tracker);
    }

    /**
     * How many bytes can be read now.
     *
     * @throws VfioException EINVAL unless the state is being read
     */
    public synchronized long pending() {
        return stream().remaining();
    }

    /**
     * Reads on in the saved state.
     *
     * @param destination is filled as far as there is something; its position advances
     * @return bytes; 0 at the end, which is preliminary while the device runs
     * @throws VfioException EINVAL unless the state is being read
     */
    public synchronized int read(ByteBuffer destination) {
        ByteBuffer stream = stream();
        int count = Math.min(stream.remaining(), destination.remaining());
        destination.put(stream.slice(stream.position(), count));
        stream.position(stream.position() + count);
        return count;
    }

    /**
     * Writes on in a state that is to be taken over.
     *
     * @param source from position to limit; its position advances
     * @throws VfioException EINVAL unless a state is being written; EOVERFLOW if it becomes too long
     */
    public synchronized void write(ByteBuffer source) {
        ByteBuffer stream = written;
        if (stream == null || machine.state() != MigrationState.RESUMING) {
            throw new VfioException(Errno.EINVAL, "no state can be written while the device is " + machine.state());
        }
        if (source.remaining() > SavedState.LENGTH_MAXIMUM - stream.position()) {
            throw new VfioException(
                    Errno.EOVERFLOW,
                    "a state has " + SavedState.LENGTH_MAXIMUM + " bytes at most, and more were written");
        }
        if (source.remaining() > stream.remaining()) {
            int capacity = Math.max(2 * stream.capacity(), stream.position() + source.remaining());
            stream = ByteBuffer.allocate(Math.min(SavedState.LENGTH_MAXIMUM, capacity))
                    .put(stream.flip());
            written = stream;
        }
        stream.put(source);
    }

    private ByteBuffer stream() {
        if (!machine.state().isSaving()) {
            throw new VfioException(Errno.EINVAL, "no state can be read while the device is " + machine.state());
        }
        return saved == null ? ByteBuffer.allocate(0) : saved;
    }

    private void take(MigrationState from, MigrationState to) {
        switch (to) {
            case PRE_COPY -> tracker = device.track();
            case STOP_COPY -> finish(from);
            case RESUMING -> written = ByteBuffer.allocate(WRITTEN_FIRST);
            case RUNNING -> run(from);
            case STOP -> stop(from);
            default -> throw new IllegalStateException("the device has no state " + to);
        }
    }

    private void finish(MigrationState from) {
        if (from != MigrationState.STOP) {
            device.stop();
        }
        try {
            saved = new SavedState(origin, device.save()).encode();
        } catch (RuntimeException | Error e) {
            if (from != MigrationState.STOP) {
                device.run();
            }
            throw e;
        }
    }

    private void run(MigrationState from) {
        if (from == MigrationState.STOP) {
            device.run();
        }
        end();
    }

    private void stop(MigrationState from) {
        if (from == MigrationState.RESUMING) {
            load();
            written = null;
        } else if (from == MigrationState.STOP_COPY) {
            end();
        } else {
            device.stop();
        }
    }

    private void load() {
        ByteBuffer stream = written;
        if (stream == null || stream.position() == 0) {
            return;
        }
        // If it is refused, another one may be written.
        written = ByteBuffer.allocate(WRITTEN_FIRST);
        SavedState state = SavedState.decode(stream.flip());
        origin.objection(state.origin()).ifPresent(reason -> {
            throw new VfioException(Errno.EINVAL, "the state cannot be loaded here: " + reason);
        });
        state.requireKnown(device.sections());
        try {
            device.load(state);
        } catch (RuntimeException | Error e) {
            machine.fail();
            throw e;
        }
    }

    /** Nobody reads any more. */
    private void end() {
        saved = null;
        if (tracker != null) {
            tracker = null;
            device.untrack();
        }
    }
}
