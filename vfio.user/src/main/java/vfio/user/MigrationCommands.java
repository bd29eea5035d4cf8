package vfio.user;

import vfio.pci.api.device.Migratable;
import vfio.user.internal.Layout;

/** Commands that carry the state of a device that is being moved. Each returns the size of the reply's data. */
final class MigrationCommands {
    private MigrationCommands() {}

    /** Less than was asked for is the end. */
    static int read(Session session) {
        session.requireSizeAtLeast(Layout.MigData.SIZE);
        Migratable migration = session.migration();
        int count = count(session);
        session.requireArgsz(Layout.MigData.ARGSZ, Layout.MigData.SIZE + count);
        int read = migration.read(session.replyBytes(Layout.MigData.DATA, count));
        session.putInt(Layout.MigData.ARGSZ, Layout.MigData.SIZE + read).putInt(Layout.MigData.LENGTH, read);
        return Layout.MigData.SIZE + read;
    }

    static int write(Session session) {
        session.requireSizeAtLeast(Layout.MigData.SIZE);
        Migratable migration = session.migration();
        int count = count(session);
        session.requireSize(Layout.MigData.SIZE + count);
        migration.write(session.requestBytes(Layout.MigData.DATA, count));
        return 0;
    }

    private static int count(Session session) {
        int count = session.getInt(Layout.MigData.LENGTH);
        if (count < 0 || count > session.agreed().maxDataXferSize()) {
            throw Session.invalid("a transfer of " + Integer.toUnsignedString(count) + " bytes is above "
                    + session.agreed().maxDataXferSize());
        }
        return count;
    }
}
