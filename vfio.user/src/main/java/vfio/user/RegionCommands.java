package vfio.user;

import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.user.internal.Layout;

/**
 * Commands that read and write regions; the path of every trapped access. Each returns the size of the reply's data. The
 * device checks index, bounds and permission.
 */
final class RegionCommands {
    private RegionCommands() {}

    static int read(Session session) {
        session.requireSize(Layout.RegionIo.SIZE);
        long offset = session.getLong(Layout.RegionIo.OFFSET);
        int region = session.getInt(Layout.RegionIo.REGION);
        int count = count(session);
        session.device().read(session.replyData(region, offset, count, Layout.RegionIo.DATA));
        return echo(session, offset, region, count) + count;
    }

    static int write(Session session) {
        if (session.size() < Layout.RegionIo.SIZE) {
            throw Session.invalid("a region write of " + session.size() + " bytes is too short");
        }
        int count = count(session);
        session.requireSize(Layout.RegionIo.SIZE + count);
        long offset = session.getLong(Layout.RegionIo.OFFSET);
        int region = session.getInt(Layout.RegionIo.REGION);
        session.device().write(session.requestData(region, offset, count, Layout.RegionIo.DATA));
        return echo(session, offset, region, count);
    }

    /**
     * Several writes in one message, done in order up to the first that fails. The reply tells how many were done; if not
     * even the first was, it is that one's error.
     */
    static int writeMulti(Session session) {
        if (!session.agreed().writeMultiple()) {
            throw new VfioException(Errno.EOPNOTSUPP, "REGION_WRITE_MULTI was not negotiated");
        }
        if (session.size() < Layout.WriteMulti.WRS) {
            throw Session.invalid("a multiple write of " + session.size() + " bytes is too short");
        }
        long count = session.getLong(Layout.WriteMulti.WR_CNT);
        int room = session.size() - Layout.WriteMulti.WRS;
        if (count < 1 || room % Layout.WriteMulti.WR_SIZE != 0 || count != room / Layout.WriteMulti.WR_SIZE) {
            throw Session.invalid("a multiple write announces " + count + " writes in " + room + " bytes");
        }
        for (int at = Layout.WriteMulti.WRS; at < session.size(); at += Layout.WriteMulti.WR_SIZE) {
            int length = session.getInt(at + Layout.WriteMulti.WR_COUNT);
            if (length < 1 || length > Layout.WriteMulti.WR_DATA_MAXIMUM) {
                throw Session.invalid("one of multiple writes has " + length + " bytes");
            }
        }
        long done = 0;
        try {
            for (int at = Layout.WriteMulti.WRS; at < session.size(); at += Layout.WriteMulti.WR_SIZE) {
                session.device()
                        .write(session.requestData(
                                session.getInt(at + Layout.WriteMulti.WR_REGION),
                                session.getLong(at + Layout.WriteMulti.WR_OFFSET),
                                session.getInt(at + Layout.WriteMulti.WR_COUNT),
                                at + Layout.WriteMulti.WR_DATA));
                done++;
            }
        } catch (VfioException e) {
            if (done == 0) {
                throw e;
            }
        }
        session.putLong(Layout.WriteMulti.WR_CNT, done);
        return Layout.WriteMulti.WRS;
    }

    private static int count(Session session) {
        int count = session.getInt(Layout.RegionIo.COUNT);
        if (count < 1 || count > session.agreed().maxDataXferSize()) {
            throw Session.invalid("a transfer of " + Integer.toUnsignedString(count) + " bytes is not between 1 and "
                    + session.agreed().maxDataXferSize());
        }
        return count;
    }

    private static int echo(Session session, long offset, int region, int count) {
        session.putLong(Layout.RegionIo.OFFSET, offset)
                .putInt(Layout.RegionIo.REGION, region)
                .putInt(Layout.RegionIo.COUNT, count);
        return Layout.RegionIo.SIZE;
    }
}
