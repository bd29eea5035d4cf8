package migration.region;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import migration.region.SavedState.Origin;
import migration.region.SavedState.Section;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.DmaRange;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Migratable;
import vfio.pci.api.device.MigrationState;
import vfio.pci.api.device.VfioException;

/**
 * The migration of one device: its state machine, the stream that is read from it or written to it, and the log of what it writes to
 * client memory. Whoever drives it, a region, device features or an administrator, drives this one object, each through what {@link
 * #as} gives it; what the device has to do is said in {@link Device}.
 *
 * <p>The state is read when the device is stopped, so while it runs there is nothing to be had but the log. What is written takes
 * effect when {@link MigrationState#RESUMING} is left, as a whole. If it is refused, the device is as it was, and the state still
 * RESUMING with nothing written; if the device fails on it, that is an {@link MigrationState#ERROR}.
 *
 * <p>Safe for several threads: one thing at a time.
 */
public final class Migration {
    /** Bytes of memory for what is written, at first. */
    private static final int WRITTEN_FIRST = 1 << 16;

    private final Origin origin;
    private final boolean logs;
    private final Device device;
    private final MigrationStateMachine machine;
    private @Nullable ByteBuffer saved;
    private @Nullable ByteBuffer written;
    private @Nullable DirtyBitmap log;

    /** Whether the device was asked to watch what it writes, and could not yet. */
    private boolean asked;

    /** Who took the device out of RUNNING; null while it is there. */
    private @Nullable String mover;

    /** Who has it logged. */
    private @Nullable String logger;

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
         * Begins to watch what the device writes to client memory. What it writes from now on has to be in the bitmap by the time
         * that {@link #sync} or {@link #stop} returns.
         *
         * @param pageSize what the asker would like; another one may be chosen
         * @param ranges what to watch; none: all that is mapped now
         * @return where it is told
         * @throws VfioException EOPNOTSUPP, as by default, if the device cannot; EAGAIN if it cannot yet, and then {@link #untrack}
         *     is called, too, if nobody asks again
         */
        default DirtyBitmap track(long pageSize, List<DmaRange> ranges) {
            throw new VfioException(Errno.EOPNOTSUPP, "this driver does not track what the device writes");
        }

        /** The bitmap is about to be read. */
        default void sync() {}

        /** Ends that. */
        default void untrack() {}
    }

    /**
     * A device that runs.
     *
     * @param origin what its states say of where they come from
     * @param logs whether the device can watch what it writes, and so offers {@link MigrationState#PRE_COPY}
     */
    public Migration(Origin origin, boolean logs, Device device) {
        this.origin = Objects.requireNonNull(origin);
        this.device = Objects.requireNonNull(device);
        this.logs = logs;
        machine = new MigrationStateMachine(logs, false, this::take);
    }

    /** The state now. */
    public MigrationState state() {
        return machine.state();
    }

    /** Who has logged what the device writes; empty if nobody has. */
    public synchronized Optional<String> logger() {
        return Optional.ofNullable(logger);
    }

    /** The device in the hands of one who moves it; see {@link Migratable} for what keeps several apart. */
    public Migratable as(String user) {
        return new Hands(Objects.requireNonNull(user));
    }

    /** What the device holds is not known any more. */
    public synchronized void fail() {
        machine.fail();
    }

    /** The device has been reset: it runs, and nobody moves it any more. */
    public synchronized void reset() {
        endLog();
        saved = null;
        written = null;
        mover = null;
        machine.reset();
    }

    private void append(ByteBuffer source) {
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
            case PRE_COPY -> {}
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
        saved = null;
    }

    private void stop(MigrationState from) {
        if (from == MigrationState.RESUMING) {
            load();
            written = null;
        } else if (from == MigrationState.STOP_COPY) {
            saved = null;
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

    private void endLog() {
        logger = null;
        if (log != null || asked) {
            log = null;
            asked = false;
            device.untrack();
        }
    }

    private DirtyBitmap track(long pageSize, List<DmaRange> ranges) {
        try {
            DirtyBitmap started = device.track(pageSize, ranges);
            asked = false;
            return started;
        } catch (VfioException e) {
            asked |= e.errno() == Errno.EAGAIN;
            throw e;
        }
    }

    /** Something failed on the way to another state: back to where it began. */
    private void goBack(MigrationState before, Throwable failure) {
        if (machine.state() != before && machine.state() != MigrationState.ERROR) {
            try {
                machine.request(before);
            } catch (RuntimeException | Error again) {
                machine.fail();
                failure.addSuppressed(again);
            }
        }
    }

    private void requireMover(String user) {
        if (mover != null && !mover.equals(user)) {
            throw new VfioException(
                    Errno.EBUSY,
                    "the device is " + machine.state() + " because " + mover + " moves it; end that first");
        }
    }

    private void requireLogger(String user) {
        if (logger != null && !logger.equals(user)) {
            throw new VfioException(Errno.EBUSY, logger + " has logged what the device writes; end that first");
        }
    }

    /** The migration as one user has it. */
    private final class Hands implements Migratable {
        private final String user;

        Hands(String user) {
            this.user = user;
        }

        @Override
        public boolean offersPreCopy() {
            return logs;
        }

        @Override
        public boolean offersLogging() {
            return logs;
        }

        @Override
        public MigrationState state() {
            return machine.state();
        }

        @Override
        public void request(MigrationState target) {
            synchronized (Migration.this) {
                requireMover(user);
                MigrationState before = machine.state();
                try {
                    machine.request(target);
                } catch (RuntimeException | Error failure) {
                    goBack(before, failure);
                    throw failure;
                } finally {
                    mover = machine.state() == MigrationState.RUNNING ? null : user;
                }
            }
        }

        @Override
        public long pending() {
            synchronized (Migration.this) {
                requireMover(user);
                return stream().remaining();
            }
        }

        @Override
        public int read(ByteBuffer destination) {
            synchronized (Migration.this) {
                requireMover(user);
                ByteBuffer stream = stream();
                int count = Math.min(stream.remaining(), destination.remaining());
                destination.put(stream.slice(stream.position(), count));
                stream.position(stream.position() + count);
                return count;
            }
        }

        @Override
        public void write(ByteBuffer source) {
            synchronized (Migration.this) {
                requireMover(user);
                append(source);
            }
        }

        @Override
        public long startLogging(long pageSize, List<DmaRange> ranges) {
            synchronized (Migration.this) {
                requireLogger(user);
                if (log != null) {
                    throw new VfioException(Errno.EINVAL, "what the device writes is logged already");
                }
                DirtyBitmap started = track(pageSize, List.copyOf(ranges));
                log = started;
                logger = user;
                return started.pageSize();
            }
        }

        @Override
        public void stopLogging() {
            synchronized (Migration.this) {
                requireLogger(user);
                endLog();
            }
        }

        @Override
        public void report(long iova, long length, long pageSize, ByteBuffer bitmap) {
            synchronized (Migration.this) {
                requireLogger(user);
                DirtyBitmap current = log;
                if (current == null) {
                    throw new VfioException(Errno.EINVAL, "nothing is logged; start that first");
                }
                if (pageSize != current.pageSize()) {
                    throw new VfioException(
                            Errno.EINVAL,
                            "pages of " + current.pageSize() + " bytes are logged, and not of " + pageSize);
                }
                device.sync();
                current.report(iova, length, bitmap);
            }
        }

        @Override
        public void reset() {
            Migration.this.reset();
        }

        @Override
        public boolean equals(@Nullable Object other) {
            return other instanceof Hands hands && hands.owner() == owner() && hands.user.equals(user);
        }

        @Override
        public int hashCode() {
            return user.hashCode();
        }

        private Migration owner() {
            return Migration.this;
        }
    }
}
