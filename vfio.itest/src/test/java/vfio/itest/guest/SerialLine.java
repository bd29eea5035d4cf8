package vfio.itest.guest;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/** The guest's serial line, which is standard input and output of QEMU. Keeps everything that came, in a file, too. */
final class SerialLine {
    private static final String MARK = "@@ ";

    private final Process qemu;
    private final Writer toGuest;
    private final Writer record;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final List<String> lines = new ArrayList<>();
    private int taken;
    private boolean ended;

    /** @param file that keeps both directions after the test, and shows them meanwhile */
    SerialLine(Process qemu, Path file) throws IOException {
        this.qemu = qemu;
        toGuest = qemu.outputWriter(StandardCharsets.UTF_8);
        record = Files.newBufferedWriter(file);
        Thread reader = new Thread(this::read, "serial line of QEMU " + qemu.pid());
        reader.setDaemon(true);
        reader.start();
    }

    /** Sends a line to the guest. */
    void send(String line) {
        try {
            note("$ " + line);
            toGuest.write(line + "\n");
            toGuest.flush();
        } catch (IOException e) {
            throw new AssertionError("the guest is gone: " + e.getMessage() + "\n" + transcript(), e);
        }
    }

    /**
     * Waits for the next mark and takes all lines up to it.
     *
     * @param name first word of the mark
     * @return the lines before it, and as the last one the rest of the mark
     */
    List<String> takeUntil(String name, Duration limit) {
        long left = limit.toNanos();
        lock.lock();
        try {
            while (true) {
                for (int at = taken; at < lines.size(); at++) {
                    String line = lines.get(at);
                    if (line.startsWith(MARK + name + " ") || line.equals(MARK + name)) {
                        List<String> result = new ArrayList<>(lines.subList(taken, at));
                        result.add(line.substring(MARK.length() + name.length()).trim());
                        taken = at + 1;
                        return result;
                    }
                }
                if (ended || left <= 0) {
                    throw new AssertionError(
                            (ended ? "the guest ended" : "the guest was silent for " + limit.toSeconds() + " s")
                                    + " instead of saying '" + MARK + name + "':\n" + transcript());
                }
                left = changed.awaitNanos(left);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted while waiting for the guest", e);
        } finally {
            lock.unlock();
        }
    }

    /** Everything that came so far. */
    String transcript() {
        lock.lock();
        try {
            return String.join("\n", lines);
        } finally {
            lock.unlock();
        }
    }

    /** Waits until QEMU has closed the line. */
    void awaitEnd(Duration limit) {
        lock.lock();
        try {
            long left = limit.toNanos();
            while (!ended && left > 0) {
                left = changed.awaitNanos(left);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            lock.unlock();
        }
    }

    private void read() {
        try (BufferedReader reader = qemu.inputReader(StandardCharsets.UTF_8);
                record) {
            for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                note(line);
                add(line);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } finally {
            end();
        }
    }

    private void note(String line) throws IOException {
        synchronized (record) {
            record.write(line + "\n");
            record.flush();
        }
    }

    private void add(String line) {
        lock.lock();
        try {
            lines.add(line);
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    private void end() {
        lock.lock();
        try {
            ended = true;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }
}
