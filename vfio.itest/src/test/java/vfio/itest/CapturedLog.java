package vfio.itest;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.logging.SimpleFormatter;

/** What a bundle logs while this is open. */
final class CapturedLog extends Handler implements AutoCloseable {
    private final Logger logger;
    private final Level level;
    private final List<LogRecord> records = new CopyOnWriteArrayList<>();

    CapturedLog(String name) {
        logger = Logger.getLogger(name);
        level = logger.getLevel();
        logger.setLevel(Level.INFO);
        setFormatter(new SimpleFormatter());
        logger.addHandler(this);
    }

    /** The entries that want attention, in order. */
    List<String> warnings() {
        return atLeast(Level.WARNING);
    }

    /** All entries, in order. */
    List<String> lines() {
        return atLeast(Level.INFO);
    }

    private List<String> atLeast(Level level) {
        return records.stream()
                .filter(entry -> entry.getLevel().intValue() >= level.intValue())
                .map(getFormatter()::formatMessage)
                .toList();
    }

    @Override
    public void publish(LogRecord entry) {
        records.add(entry);
    }

    @Override
    public void flush() {}

    @Override
    public void close() {
        logger.removeHandler(this);
        logger.setLevel(level);
    }
}
