package vfio.pci.core;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.logging.SimpleFormatter;

/** What the core logs while this is open, kept from the console. */
final class CapturedLog extends Handler implements AutoCloseable {
    private final Logger logger = Logger.getLogger(Gate.class.getPackageName());
    private final List<LogRecord> records = new CopyOnWriteArrayList<>();

    CapturedLog() {
        setFormatter(new SimpleFormatter());
        logger.setUseParentHandlers(false);
        logger.addHandler(this);
    }

    /** The entries of a level or above. */
    List<String> entries(Level level) {
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
        logger.setUseParentHandlers(true);
    }
}
