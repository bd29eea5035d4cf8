package vfio.linux;

import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/**
 * Truncates a file under its mapping. Each access to it must fail with EFAULT before it returns; any other outcome ends
 * this program with an exception, or kills it.
 */
final class TruncationProgram {
    private static final int SIZE = 1 << 17;
    /** Enough for the second compiler. */
    private static final int WARM = 30_000;

    private static final int TRIES = 2_000;
    private static final int RACES = 20_000;

    private final Descriptor file = TestFiles.unsealed(SIZE);
    private final MappedMemory memory = MappedMemory.map(file.duplicate(), 0, SIZE, true);
    private final ByteBuffer heap = ByteBuffer.allocate(5 * 4096);
    private final ByteBuffer direct = ByteBuffer.allocateDirect(5 * 4096);
    private final Map<String, Runnable> accesses = new LinkedHashMap<>();
    private long sum;

    private TruncationProgram() {
        accesses.put("getByte", () -> sum += memory.getByte(4096));
        accesses.put("getShort", () -> sum += memory.getShort(8192));
        accesses.put("getInt", () -> sum += memory.getInt(SIZE - 4));
        accesses.put("getLong", () -> sum += memory.getLong(0));
        accesses.put("unaligned getLong", () -> sum += memory.getLong(4093));
        accesses.put("putByte", () -> memory.putByte(4096, (byte) 0));
        accesses.put("putShort", () -> memory.putShort(8192, 0));
        accesses.put("putInt", () -> memory.putInt(SIZE - 4, 0));
        accesses.put("putLong", () -> memory.putLong(0, 0));
        accesses.put("get to heap", () -> memory.get(1, heap.clear()));
        accesses.put("get to direct", () -> memory.get(1, direct.clear()));
        accesses.put("put from heap", () -> memory.put(1, heap.clear()));
        accesses.put("put from direct", () -> memory.put(1, direct.clear()));
    }

    public static void main(String[] arguments) throws InterruptedException {
        TruncationProgram program = new TruncationProgram();
        program.accesses.forEach(program::truncate);
        program.truncateHalf();
        program.race();
        System.out.println("survived " + program.sum);
    }

    private void truncate(String name, Runnable access) {
        resize(SIZE);
        for (int round = 0; round < WARM; round++) {
            access.run();
        }
        resize(0);
        for (int round = 0; round < TRIES; round++) {
            if (!faults(access)) {
                throw new AssertionError(name + " of truncated memory returned");
            }
        }
        resize(SIZE);
        access.run();
    }

    /** A bulk copy that begins in memory that is there and ends in memory that is not. */
    private void truncateHalf() {
        resize(3 * 4096);
        for (Runnable access : new Runnable[] {
            accesses.get("get to heap"), accesses.get("put from heap"), accesses.get("get to direct")
        }) {
            if (!faults(access)) {
                throw new AssertionError("a copy beyond the end returned");
            }
        }
        if (faults(accesses.get("getShort"))) {
            throw new AssertionError("memory that is there is not accessible");
        }
    }

    private void race() throws InterruptedException {
        AtomicBoolean stop = new AtomicBoolean();
        AtomicReference<Throwable> failure = new AtomicReference<>();
        Thread hostile = new Thread(() -> {
            while (!stop.get()) {
                resize(0);
                resize(SIZE);
            }
        });
        hostile.setUncaughtExceptionHandler((thread, uncaught) -> failure.set(uncaught));
        hostile.start();
        int faults = 0;
        for (int round = 0; round < RACES; round++) {
            for (Runnable access : accesses.values()) {
                faults += faults(access) ? 1 : 0;
            }
        }
        stop.set(true);
        hostile.join();
        if (faults == 0 || faults == RACES * accesses.size() || failure.get() != null) {
            throw new AssertionError("no race: " + faults + " faults", failure.get());
        }
    }

    private static boolean faults(Runnable access) {
        try {
            access.run();
            return false;
        } catch (VfioException failure) {
            if (failure.errno() != Errno.EFAULT) {
                throw failure;
            }
            return true;
        }
    }

    private void resize(long size) {
        if (TestFiles.truncate(file, size) != 0) {
            throw new AssertionError("cannot resize the file");
        }
    }
}
