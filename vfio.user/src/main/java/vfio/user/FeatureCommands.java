package vfio.user;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.DmaRange;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Migratable;
import vfio.pci.api.device.MigrationState;
import vfio.pci.api.device.VfioException;
import vfio.user.internal.Feature;
import vfio.user.internal.Layout;
import vfio.user.internal.PageBitmap;

/**
 * DEVICE_FEATURE: what may be done with which feature, and by whom it is done. Checks come in the order of the kernel's {@code
 * vfio_ioctl_device_feature} and {@code vfio_check_feature}, and fail with the same errors.
 */
final class FeatureCommands {
    private static final int OPERATIONS =
            Layout.DeviceFeature.GET | Layout.DeviceFeature.SET | Layout.DeviceFeature.PROBE;

    private static final Map<Feature, Handler> GET = new EnumMap<>(Map.of(
            Feature.MIGRATION, FeatureCommands::migration,
            Feature.MIG_DEVICE_STATE, FeatureCommands::state,
            Feature.DMA_LOGGING_REPORT, FeatureCommands::report));

    private static final Map<Feature, Handler> SET = new EnumMap<>(Map.of(
            Feature.MIG_DEVICE_STATE, FeatureCommands::request,
            Feature.DMA_LOGGING_START, FeatureCommands::startLogging,
            Feature.DMA_LOGGING_STOP, FeatureCommands::stopLogging));

    private FeatureCommands() {}

    /** Gets or sets a feature: checks its data, acts, composes the reply, returns the size of the reply's data. */
    @FunctionalInterface
    private interface Handler {
        int handle(Session session, Migratable migration);
    }

    static int feature(Session session) {
        session.requireSizeAtLeast(Layout.DeviceFeature.SIZE);
        session.requireArgsz(Layout.DeviceFeature.ARGSZ, Layout.DeviceFeature.SIZE);
        int flags = session.getInt(Layout.DeviceFeature.FLAGS);
        boolean get = (flags & Layout.DeviceFeature.GET) != 0;
        boolean set = (flags & Layout.DeviceFeature.SET) != 0;
        boolean probe = (flags & Layout.DeviceFeature.PROBE) != 0;
        if ((flags & ~(OPERATIONS | Layout.DeviceFeature.MASK)) != 0 || (get && set && !probe)) {
            throw Session.invalid("device feature flags 0x" + Integer.toHexString(flags) + " make no sense");
        }
        Feature feature = known(flags & Layout.DeviceFeature.MASK);
        Migratable migration = session.migration();
        if (feature.isLogging() && !migration.offersLogging()) {
            throw new VfioException(Errno.ENOTTY, "the device does not log what it writes");
        }
        Handler getter = get ? handler(GET, feature, "got") : null;
        Handler setter = set ? handler(SET, feature, "set") : null;
        if (probe) {
            return echo(session);
        }
        if (getter != null) {
            return getter.handle(session, migration);
        }
        if (setter != null) {
            return setter.handle(session, migration);
        }
        throw Session.invalid("a device feature request must get, set or probe");
    }

    private static Feature known(int number) {
        Feature feature = Feature.of(number);
        if (feature == null) {
            throw new VfioException(Errno.ENOTTY, "the device has no feature " + number);
        }
        return feature;
    }

    private static Handler handler(Map<Feature, Handler> table, Feature feature, String done) {
        @Nullable Handler handler = table.get(feature);
        if (handler == null) {
            throw Session.invalid("feature " + feature + " cannot be " + done);
        }
        return handler;
    }

    private static int migration(Session session, Migratable migration) {
        session.requireArgsz(Layout.DeviceFeature.ARGSZ, Layout.Migration.SIZE);
        session.echo(Layout.DeviceFeature.SIZE);
        session.putInt(Layout.DeviceFeature.ARGSZ, Layout.Migration.SIZE)
                .putLong(
                        Layout.Migration.FLAGS,
                        Layout.Migration.FLAGS_STOP_COPY
                                | (migration.offersPreCopy() ? Layout.Migration.FLAGS_PRE_COPY : 0));
        return Layout.Migration.SIZE;
    }

    private static int state(Session session, Migratable migration) {
        session.requireArgsz(Layout.DeviceFeature.ARGSZ, Layout.MigState.SIZE);
        session.echo(Layout.DeviceFeature.SIZE);
        session.putInt(Layout.DeviceFeature.ARGSZ, Layout.MigState.SIZE)
                .putInt(Layout.MigState.DEVICE_STATE, migration.state().number())
                .putInt(Layout.MigState.DATA_FD, -1);
        return Layout.MigState.SIZE;
    }

    /** In vfio-user there are no states without access to other devices, whatever the device has. */
    private static int request(Session session, Migratable migration) {
        requireSettable(session, Layout.MigState.SIZE);
        int number = session.getInt(Layout.MigState.DEVICE_STATE);
        MigrationState target = MigrationState.of(number)
                .filter(state -> state.isSupported(migration.offersPreCopy(), false))
                .orElseThrow(() -> Session.invalid("the device has no state " + Integer.toUnsignedString(number)));
        migration.request(target);
        return echo(session);
    }

    private static int startLogging(Session session, Migratable migration) {
        requireSettable(session, Layout.DmaLoggingControl.SIZE);
        long pageSize = session.getLong(Layout.DmaLoggingControl.PAGE_SIZE);
        if (Long.bitCount(pageSize) != 1) {
            throw Session.invalid(Long.toUnsignedString(pageSize) + " is no page size: it must be a power of two");
        }
        long used = migration.startLogging(pageSize, ranges(session));
        int size = echo(session);
        session.putLong(Layout.DmaLoggingControl.PAGE_SIZE, used);
        return size;
    }

    private static List<DmaRange> ranges(Session session) {
        int count = session.getInt(Layout.DmaLoggingControl.NUM_RANGES);
        int room = session.size() - Layout.DmaLoggingControl.RANGES;
        if (count < 0 || count > room / Layout.DmaLoggingControl.RANGE_SIZE) {
            throw Session.invalid(Integer.toUnsignedString(count) + " ranges do not fit into " + room + " bytes");
        }
        List<DmaRange> ranges = new ArrayList<>(count);
        int at = Layout.DmaLoggingControl.RANGES;
        for (int index = 0; index < count; index++) {
            DmaRange range = new DmaRange(
                    session.getLong(at + Layout.DmaLoggingControl.RANGE_IOVA),
                    session.getLong(at + Layout.DmaLoggingControl.RANGE_LENGTH));
            if (range.length() == 0 || Long.compareUnsigned(range.last(), range.iova()) < 0) {
                throw Session.invalid(range + " is empty or reaches beyond the address space");
            }
            ranges.add(range);
            at += Layout.DmaLoggingControl.RANGE_SIZE;
        }
        return ranges;
    }

    private static int stopLogging(Session session, Migratable migration) {
        requireSettable(session, Layout.DeviceFeature.SIZE);
        migration.stopLogging();
        return echo(session);
    }

    /** Reporting takes out of the log, so nothing may be left that could fail afterwards. */
    private static int report(Session session, Migratable migration) {
        session.requireSizeAtLeast(Layout.DmaLoggingReport.SIZE);
        long iova = session.getLong(Layout.DmaLoggingReport.IOVA);
        long length = session.getLong(Layout.DmaLoggingReport.LENGTH);
        long pageSize = session.getLong(Layout.DmaLoggingReport.PAGE_SIZE);
        long size = PageBitmap.size(iova, length, pageSize);
        migration.report(
                iova,
                length,
                pageSize,
                session.replyBitmap(Layout.DmaLoggingReport.BITMAP, size, Layout.DeviceFeature.ARGSZ));
        session.echo(Layout.DmaLoggingReport.SIZE);
        session.putInt(Layout.DeviceFeature.ARGSZ, Layout.DmaLoggingReport.BITMAP + (int) size);
        return Layout.DmaLoggingReport.BITMAP + (int) size;
    }

    /** What is set or probed is answered with the request, and there must be room for that before anything is done. */
    private static void requireSettable(Session session, int minimum) {
        session.requireSizeAtLeast(minimum);
        session.requireArgsz(Layout.DeviceFeature.ARGSZ, session.size());
    }

    private static int echo(Session session) {
        session.requireArgsz(Layout.DeviceFeature.ARGSZ, session.size());
        return session.echo(session.size());
    }
}
