package vfio.pci.api.testing;

import java.text.MessageFormat;
import java.util.List;
import java.util.ResourceBundle;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;

/** A logger that keeps what is logged, whatever the level: {@code WARNING: something is odd}. */
final class RecordedLog implements System.Logger {
    private final String name;
    private final List<String> messages = new CopyOnWriteArrayList<>();

    RecordedLog(String name) {
        this.name = name;
    }

    List<String> messages() {
        return List.copyOf(messages);
    }

    @Override
    public String getName() {
        return name;
    }

    @Override
    public boolean isLoggable(Level level) {
        return true;
    }

    @Override
    public void log(Level level, @Nullable ResourceBundle bundle, String message, @Nullable Throwable thrown) {
        messages.add(level + ": " + message);
    }

    @Override
    public void log(Level level, @Nullable ResourceBundle bundle, String format, @Nullable Object... arguments) {
        messages.add(level + ": "
                + (arguments == null || arguments.length == 0 ? format : MessageFormat.format(format, arguments)));
    }
}
