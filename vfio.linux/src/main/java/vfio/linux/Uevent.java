package vfio.linux;

import java.util.HashMap;
import java.util.Map;

/** The text of a device event: {@code ACTION@PATH}, then properties, all ended by a zero. */
final class Uevent {
    private Uevent() {}

    /** The properties; none of what is not of that form. */
    static Map<String, String> properties(String text) {
        Map<String, String> properties = new HashMap<>();
        for (String line : text.split("\0", -1)) {
            int separator = line.indexOf('=');
            if (separator > 0) {
                properties.put(line.substring(0, separator), line.substring(separator + 1));
            }
        }
        return Map.copyOf(properties);
    }
}
