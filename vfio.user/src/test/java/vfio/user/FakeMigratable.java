package vfio.user;

import java.nio.ByteBuffer;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import vfio.pci.api.device.DmaRange;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Migratable;
import vfio.pci.api.device.MigrationState;
import vfio.pci.api.device.VfioException;

/**
 * A device that goes to whatever state it is asked for, whose state is {@link #saved}, that keeps what is written in {@link #loaded},
 * and has written to what is in {@link #dirty}. Remembers what was asked.
 */
final class FakeMigratable implements Migratable {
    static final int PAGE = 4096;

    final List<String> events = new CopyOnWriteArrayList<>();
    final BitSet dirty = new BitSet();
    final ByteBuffer loaded = ByteBuffer.allocate(4 << 20);
    volatile ByteBuffer saved = ByteBuffer.allocate(0);
    volatile MigrationState state = MigrationState.RUNNING;
    volatile boolean preCopy = true;
    volatile boolean logs = true;
    volatile boolean logging;
    volatile VfioException failure;
    volatile Consumer<List<DmaRange>> beforeLogging = ranges -> {};

    @Override
    public boolean offersPreCopy() {
        return preCopy;
    }

    @Override
    public boolean offersLogging() {
        return logs;
    }

    @Override
    public MigrationState state() {
        return state;
    }

    @Override
    public void request(MigrationState target) {
        failIfTold();
        events.add("request " + target);
        if (target == MigrationState.ERROR) {
            throw new VfioException(Errno.EINVAL, "nobody wants that");
        }
        state = target;
    }

    @Override
    public long pending() {
        return saved.remaining();
    }

    @Override
    public int read(ByteBuffer destination) {
        failIfTold();
        if (!state.isSaving()) {
            throw new VfioException(Errno.EINVAL, "not saving");
        }
        int count = Math.min(saved.remaining(), destination.remaining());
        destination.put(saved.slice(saved.position(), count));
        saved.position(saved.position() + count);
        return count;
    }

    @Override
    public void write(ByteBuffer source) {
        failIfTold();
        if (state != MigrationState.RESUMING) {
            throw new VfioException(Errno.EINVAL, "not resuming");
        }
        loaded.put(source);
    }

    @Override
    public long startLogging(long pageSize, List<DmaRange> ranges) {
        failIfTold();
        beforeLogging.accept(ranges);
        events.add("log " + pageSize + " " + ranges);
        logging = true;
        return PAGE;
    }

    @Override
    public void stopLogging() {
        failIfTold();
        events.add("stop");
        logging = false;
    }

    @Override
    public void report(long iova, long length, long pageSize, ByteBuffer bitmap) {
        failIfTold();
        if (!logging || pageSize != PAGE || iova % PAGE != 0) {
            throw new VfioException(Errno.EINVAL, "not so");
        }
        events.add("report");
        int first = (int) (iova / PAGE);
        int pages = (int) ((length - 1) / PAGE) + 1;
        for (int page = 0; page < pages; page++) {
            if (dirty.get(first + page)) {
                dirty.clear(first + page);
                int at = bitmap.position() + page / 8;
                bitmap.put(at, (byte) (bitmap.get(at) | 1 << page % 8));
            }
        }
    }

    @Override
    public void reset() {
        state = MigrationState.RUNNING;
    }

    private void failIfTold() {
        VfioException told = failure;
        if (told != null) {
            throw told;
        }
    }
}
