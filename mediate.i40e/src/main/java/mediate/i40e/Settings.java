package mediate.i40e;

import java.util.Collections;
import java.util.EnumSet;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import migration.region.Migration;
import migration.region.MigrationRegion;
import vfio.pci.api.device.HardwareState;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.mediate.MediationContext;

/**
 * What is configured.
 *
 * @param tracking how it is found out what the device writes
 * @param region adds the region that shows migration to clients of old, if any
 * @param rules what trackers do; all but for tests of tests
 */
record Settings(Tracking tracking, Optional<Region> region, Set<TrackingRule> rules) {
    static final Settings DEFAULT = new Settings(Tracking.TAILS, Optional.empty(), EnumSet.allOf(TrackingRule.class));

    /** Adds a migration region to a device that is being opened. */
    interface Region {
        /** Adds it. */
        MigrationRegion add(MediationContext context, Migration migration);
    }

    /** How it is found out what the device writes. */
    enum Tracking {
        TAILS {
            @Override
            Set<String> parts() {
                return Set.of(QueuePair.PART);
            }

            @Override
            Tracker tracker(
                    MediationContext context,
                    HardwareState hardware,
                    Set<TrackingRule> rules,
                    DirtyPages dirty,
                    TrackingLog log) {
                return new TailTracker(context, hardware, rules, dirty, log);
            }
        },
        INTERRUPTS {
            @Override
            Set<String> parts() {
                return Set.of(QueuePair.PART, ReceivedFrames.PART);
            }

            @Override
            Tracker tracker(
                    MediationContext context,
                    HardwareState hardware,
                    Set<TrackingRule> rules,
                    DirtyPages dirty,
                    TrackingLog log) {
                return new InterruptTracker(context, hardware, rules, dirty, log);
            }
        };

        /** The parts of the hardware's state that it needs. */
        abstract Set<String> parts();

        abstract Tracker tracker(
                MediationContext context,
                HardwareState hardware,
                Set<TrackingRule> rules,
                DirtyPages dirty,
                TrackingLog log);
    }

    /**
     * Reads a configuration.
     *
     * @param memory makes what clients may map, if anything does
     * @throws IllegalArgumentException with a sentence that names the property
     */
    static Settings of(PhysicalFunctions.Configuration configuration, Optional<SharedMemory.Factory> memory) {
        Set<TrackingRule> rules = EnumSet.allOf(TrackingRule.class);
        for (String rule : configuration.tracking_rules_skipped()) {
            rules.remove(choice(TrackingRule.class, "tracking.rules.skipped", rule));
        }
        return new Settings(
                choice(Tracking.class, "dirty.tracking", configuration.dirty_tracking()),
                region(configuration, memory),
                Collections.unmodifiableSet(rules));
    }

    private static Optional<Region> region(
            PhysicalFunctions.Configuration configuration, Optional<SharedMemory.Factory> memory) {
        String name = configuration.migration_region();
        if (name.equals("none")) {
            return Optional.empty();
        }
        MigrationRegion.Layout layout = choice(MigrationRegion.Layout.class, "migration.region", name);
        if (!configuration.migration_region_mmap()) {
            return Optional.of((context, migration) -> MigrationRegion.add(context, migration, layout));
        }
        SharedMemory.Factory source = memory.orElseThrow(() -> new IllegalArgumentException(
                "migration.region.mmap of mediate.i40e needs shared memory, and nobody offers any; start vfio.linux"));
        return Optional.of((context, migration) -> MigrationRegion.addMappable(context, migration, layout, source));
    }

    private static <E extends Enum<E>> E choice(Class<E> type, String property, String value) {
        for (E constant : type.getEnumConstants()) {
            if (constant.name().equals(value.toUpperCase(Locale.ROOT).replaceAll("[-.]", "_"))) {
                return constant;
            }
        }
        throw new IllegalArgumentException(property + " of mediate.i40e cannot be '" + value + "'");
    }
}
