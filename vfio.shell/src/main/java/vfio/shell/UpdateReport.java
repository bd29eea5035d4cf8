package vfio.shell;

import java.util.List;

/**
 * What came of an update.
 *
 * @param outcome a sentence
 * @param devices a sentence for each device that a driver of the bundle had
 */
record UpdateReport(String outcome, List<String> devices) implements Rendered {
    /** Copies the devices. */
    UpdateReport {
        devices = List.copyOf(devices);
    }

    @Override
    public String inspect() {
        return devices.isEmpty() ? outcome : outcome + "\n" + String.join("\n", devices);
    }

    @Override
    public String line() {
        return outcome;
    }

    @Override
    public String part() {
        return outcome;
    }
}
