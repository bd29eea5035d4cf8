package vfio.migration;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.DmaRange;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Migratable;
import vfio.pci.api.device.MigrationState;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.MoveOptions;
import vfio.pci.api.manage.MoveStatus.Phase;
import vfio.pci.api.manage.OpenDevice;

/**
 * A device goes to another runtime.
 *
 * <p>The device belongs to this side until COMMIT is sent: whatever fails before, it runs on here. From then on it is never run here by
 * itself: only if the target says that it does not run it either, or if an administrator decides it.
 */
final class Outgoing {
    private static final Logger LOGGER = System.getLogger(Outgoing.class.getPackageName());
    private static final long PAGE_SIZE = 4096;

    /** How long a client has to confirm that it has unmapped what has to be trapped. */
    private static final Duration TRAP_PATIENCE = Duration.ofSeconds(10);

    private static final Duration LOOK_AGAIN = Duration.ofMillis(5);

    private final OpenDevice device;
    private final Migratable migration;
    private final MoveOptions options;
    private final Progress progress;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private long roundsStored;
    private boolean copied;
    private boolean switchOver;
    private boolean cancelled;
    private boolean committed;
    private @Nullable Link link;

    /** Whether it is for this move that the device is logged, or was asked to be; for the moving thread, and when that is over. */
    private volatile boolean logs;

    Outgoing(OpenDevice device, Migratable migration, MoveOptions options, Progress progress) {
        this.device = device;
        this.migration = migration;
        this.options = options;
        this.progress = progress;
    }

    /**
     * Moves the device; blocks until that is done.
     *
     * @param newLink to the target; closed when this returns
     * @throws VfioException what it failed with; the progress says who runs the device
     */
    void run(Link newLink) {
        begin(newLink);
        try (newLink) {
            move(newLink);
            progress.runs();
            progress.phase(Phase.DONE, clearHere());
        } catch (RefusedException e) {
            stay(e.reason());
            throw e.reason();
        } catch (RuntimeException e) {
            if (isCommitted()) {
                progress.phase(
                        Phase.IN_DOUBT,
                        "the target was told to run the device and did not answer: " + e.getMessage()
                                + "; look there, and only if it does not run it let it run here");
            } else {
                stay(e);
            }
            throw isCancelled() && !isCommitted()
                    ? new VfioException(Errno.ECANCELED, "the move was cancelled; the device runs here", e)
                    : e;
        } finally {
            copied();
        }
    }

    /**
     * Waits until what was read of memory before is stored at the target, so that it cannot come there after what others write.
     *
     * @throws VfioException ECANCELED if it is interrupted
     */
    void settle() {
        lock.lock();
        try {
            for (long before = roundsStored; roundsStored == before && !copied; ) {
                changed.await();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new VfioException(Errno.ECANCELED, "waiting for the memory that is sent was interrupted", e);
        } finally {
            lock.unlock();
        }
    }

    /** The guest has been stopped. */
    void switchOver() {
        lock.lock();
        try {
            switchOver = true;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** The device is not logged for this move any more; it may be for others. */
    void endLogging() {
        if (logs) {
            logs = false;
            migration.stopLogging();
        }
    }

    /** Ends it, wherever it is; returns false if it is too late. */
    boolean cancel() {
        lock.lock();
        try {
            if (committed) {
                return false;
            }
            cancelled = true;
            changed.signalAll();
            if (link != null) {
                link.cut();
            }
            return true;
        } finally {
            lock.unlock();
        }
    }

    private void begin(Link newLink) {
        lock.lock();
        try {
            link = newLink;
        } finally {
            lock.unlock();
        }
    }

    private void move(Link target) throws RefusedException {
        List<DmaRange> ranges = introduce(target);
        Pace pace = new Pace(options.bytesPerSecond());
        MemorySender memory = new MemorySender(target, device.memory(), ranges, migration, pace, this::requireGoingOn);
        List<DmaRange> left = List.of();
        long pageSize = ranges.isEmpty() ? PAGE_SIZE : startLogging(ranges);
        if (!ranges.isEmpty()) {
            left = copyWhileRunning(target, memory, pace, pageSize);
            copied();
        } else if (options.waitForSwitchOver()) {
            copied();
            progress.phase(Phase.AWAITING_SWITCH_OVER);
            awaitSwitchOver(Long.MAX_VALUE);
        }
        requireGoingOn();
        progress.stops();
        migration.request(MigrationState.STOP_COPY);
        if (!ranges.isEmpty()) {
            memory.send(left);
            memory.send(memory.takeDirty(pageSize));
            progress.memory(memory.sent());
        }
        sendState(target);
        target.sendEmpty(MessageType.LOAD);
        target.expect(MessageType.LOADED);
        commit();
        target.sendEmpty(MessageType.COMMIT);
        target.expect(MessageType.RUNNING);
    }

    /** Tells the target what comes; returns the memory that it wants. */
    private List<DmaRange> introduce(Link target) throws RefusedException {
        List<DmaRange> mapped = device.mappings().stream()
                .filter(DmaMapping::readable)
                .map(mapping -> new DmaRange(mapping.iova(), mapping.size()))
                .toList();
        new Hello(device.device().ids(), options.as().orElse(device.device().address()), mapped)
                .encode(target.payload());
        target.send(MessageType.HELLO);
        target.expect(MessageType.ACCEPT);
        List<DmaRange> wanted = Hello.decodeRanges(target.received());
        if (!mapped.containsAll(wanted)) {
            throw new VfioException(Errno.EPROTO, "the target asks for memory that was not offered");
        }
        return wanted;
    }

    /** Traps may have to come into force first, which the client has to confirm. */
    private long startLogging(List<DmaRange> ranges) {
        long end = System.nanoTime() + TRAP_PATIENCE.toNanos();
        while (true) {
            requireGoingOn();
            try {
                long pageSize = migration.startLogging(PAGE_SIZE, ranges);
                logs = true;
                return pageSize;
            } catch (VfioException e) {
                logs |= e.errno() == Errno.EAGAIN;
                if (e.errno() != Errno.EAGAIN || System.nanoTime() - end >= 0) {
                    throw e;
                }
                LockSupport.parkNanos(LOOK_AGAIN.toNanos());
            }
        }
    }

    /** Copies until it can be stopped; returns what has not been copied by then. */
    private List<DmaRange> copyWhileRunning(Link target, MemorySender memory, Pace pace, long pageSize)
            throws RefusedException {
        if (migration.offersPreCopy()) {
            migration.request(MigrationState.PRE_COPY);
        }
        Phase copying = options.waitForSwitchOver() ? Phase.AWAITING_SWITCH_OVER : Phase.COPYING;
        progress.round(copying);
        long start = System.nanoTime();
        memory.sendAll();
        while (true) {
            progress.memory(memory.sent());
            endRound(target);
            List<DmaRange> dirty = memory.takeDirty(pageSize);
            long now = System.nanoTime();
            long bytes = MemorySender.length(dirty);
            Duration estimate = pace.time(bytes);
            long perSecond = (long) (bytes * 1e9 / Math.max(1, now - start));
            start = now;
            boolean converged = estimate.compareTo(options.maximumDowntime()) <= 0
                    || progress.status().rounds() >= options.maximumRounds();
            boolean waits = options.waitForSwitchOver();
            boolean last = awaitSwitchOver(waits && bytes == 0 ? LOOK_AGAIN.toNanos() : 0) || (!waits && converged);
            if (last) {
                progress.estimate(perSecond, estimate);
                return dirty;
            }
            if (bytes > 0) {
                progress.estimate(perSecond, estimate);
                progress.round(copying);
                memory.send(dirty);
            }
        }
    }

    /** Nothing of a round is under way when the next one begins. */
    private void endRound(Link target) throws RefusedException {
        target.sendEmpty(MessageType.ROUND);
        target.expect(MessageType.STORED);
        lock.lock();
        try {
            roundsStored++;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** No memory is copied any more while the device runs. */
    private void copied() {
        lock.lock();
        try {
            copied = true;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** Waits for the guest to be stopped; returns whether it is. */
    private boolean awaitSwitchOver(long nanos) {
        lock.lock();
        try {
            long left = nanos;
            while (!switchOver && !cancelled && left > 0) {
                left = changed.awaitNanos(left);
            }
            return switchOver;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new VfioException(Errno.ECANCELED, "the move was interrupted", e);
        } finally {
            lock.unlock();
        }
    }

    private void sendState(Link target) {
        long bytes = 0;
        while (true) {
            ByteBuffer payload = target.payload();
            int count = migration.read(payload);
            if (count == 0) {
                return;
            }
            target.send(MessageType.STATE);
            bytes += count;
            progress.state(bytes);
        }
    }

    private void commit() {
        lock.lock();
        try {
            requireGoingOn();
            if (migration.state() != MigrationState.STOP_COPY) {
                throw new VfioException(
                        Errno.ECANCELED,
                        "the device was reset while it was moved, so what was sent of it is of no use");
            }
            committed = true;
        } finally {
            lock.unlock();
        }
        progress.phase(Phase.COMMITTING);
    }

    private void requireGoingOn() {
        if (isCancelled() || Thread.currentThread().isInterrupted()) {
            throw new VfioException(Errno.ECANCELED, "the move was cancelled");
        }
    }

    private boolean isCancelled() {
        lock.lock();
        try {
            return cancelled;
        } finally {
            lock.unlock();
        }
    }

    private boolean isCommitted() {
        lock.lock();
        try {
            return committed;
        } finally {
            lock.unlock();
        }
    }

    /** Nothing of the device stays here, neither its addresses in a switch nor its state. Returns what to know. */
    private String clearHere() {
        try {
            device.reset();
            return "";
        } catch (RuntimeException e) {
            return "the device here could not be reset: " + e.getMessage();
        }
    }

    /** The device goes on here, as if nothing had been. */
    private void stay(Throwable why) {
        Phase end = isCancelled() ? Phase.CANCELLED : Phase.FAILED;
        try {
            if (migration.state() != MigrationState.RUNNING) {
                migration.request(MigrationState.RUNNING);
                progress.runs();
            }
            endLogging();
            progress.phase(end, end == Phase.CANCELLED ? "" : String.valueOf(why.getMessage()));
        } catch (RuntimeException e) {
            LOGGER.log(Level.ERROR, "{0} cannot go on: {1}", device.device().address(), e.getMessage());
            progress.phase(
                    Phase.FAILED,
                    why.getMessage() + "; and the device does not run: " + e.getMessage() + "; it has to be reset");
        }
    }
}
