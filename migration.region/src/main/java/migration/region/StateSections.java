package migration.region;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Supplier;
import migration.region.SavedState.Origin;
import migration.region.SavedState.Section;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.HardwareState;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.mediate.MediationContext;

/**
 * The state of a device as a list of what it consists of, for a driver that has nothing more to do when its device moves: parts of
 * regions, values of its own, and always, last, what only the host knows. Whether all sections are there and as long as they have to be is
 * checked before anything is loaded.
 *
 * <p>For one thread until {@link #migration} is called.
 */
public final class StateSections {
    private final MediationContext context;
    private final HardwareState hardware;
    private final List<Part> parts = new ArrayList<>();

    private record Part(String name, int length, Supplier<byte[]> save, Consumer<byte[]> load) {}

    private StateSections(MediationContext context, HardwareState hardware) {
        this.context = context;
        this.hardware = hardware;
    }

    /** A device that consists of nothing but what its host knows, so far. */
    public static StateSections of(MediationContext context, HardwareState hardware) {
        return new StateSections(context, hardware);
    }

    /**
     * Adds a part of a region, which is read and written 4 bytes at a time.
     *
     * @param name of the section
     * @param length bytes, a multiple of 4
     */
    public StateSections region(String name, int region, long offset, int length) {
        return value(
                name,
                length,
                () -> RegionContent.read(context.hardware(), region, offset, length),
                content -> RegionContent.write(context.hardware(), region, offset, content));
    }

    /**
     * Adds something that the driver knows.
     *
     * @param name of the section
     * @param length bytes
     * @param save gives them; the device is stopped
     * @param load takes those of another device
     */
    public StateSections value(String name, int length, Supplier<byte[]> save, Consumer<byte[]> load) {
        parts.add(new Part(name, length, save, load));
        return this;
    }

    /**
     * The migration of the device. It does not log what the device writes.
     *
     * @param driver name of the driver
     * @param schema version of its sections, counted from 1
     */
    public Migration migration(String driver, int schema) {
        return new Migration(
                new Origin(context.device().ids(), driver, schema, RegionInfo.PAGE_SIZE), false, new Device());
    }

    private final class Device implements Migration.Device {
        @Override
        public void stop() {
            hardware.freeze();
        }

        @Override
        public void run() {
            hardware.thaw();
        }

        @Override
        public List<Section> save() {
            List<Section> sections = new ArrayList<>();
            parts.forEach(part ->
                    sections.add(new Section(part.name(), false, part.save().get())));
            sections.addAll(HardwareSections.save(hardware));
            return sections;
        }

        @Override
        public Set<String> sections() {
            Set<String> names = new HashSet<>(HardwareSections.names(hardware));
            parts.forEach(part -> names.add(part.name()));
            return names;
        }

        @Override
        public void load(SavedState state) {
            for (Part part : parts) {
                int length = state.section(part.name()).length;
                if (length != part.length()) {
                    throw new VfioException(
                            Errno.EINVAL,
                            "section " + part.name() + " has " + length + " bytes, and should have " + part.length());
                }
            }
            Map<String, byte[]> hostParts = HardwareSections.parts(hardware, state);
            parts.forEach(part -> part.load().accept(state.section(part.name())));
            hardware.write(hostParts);
        }
    }
}
