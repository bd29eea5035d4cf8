package migration.region;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import migration.region.SavedState.Section;
import vfio.pci.api.device.HardwareState;
import vfio.pci.api.device.VfioException;

/** The part of a device's state that only its host knows, as sections: one for each part, named {@code hardware.} and the part. */
public final class HardwareSections {
    private static final String PREFIX = "hardware.";

    private HardwareSections() {}

    /** Names of the sections. */
    public static Set<String> names(HardwareState hardware) {
        return hardware.parts().stream().map(part -> PREFIX + part).collect(Collectors.toUnmodifiableSet());
    }

    /** All parts, by name. */
    public static List<Section> save(HardwareState hardware) {
        return hardware.parts().stream()
                .sorted()
                .map(part -> new Section(PREFIX + part, false, hardware.read(part)))
                .toList();
    }

    /**
     * The parts in a state, for {@link HardwareState#write}; they have been checked, and nothing has been written.
     *
     * @throws VfioException EINVAL if one is missing or cannot be
     */
    public static Map<String, byte[]> parts(HardwareState hardware, SavedState state) {
        Map<String, byte[]> parts = new HashMap<>();
        hardware.parts().forEach(part -> parts.put(part, state.section(PREFIX + part)));
        hardware.check(parts);
        return parts;
    }
}
