package vfio.sim.xl710;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Serves the requests of one virtual function as the physical function's driver does. Each is checked as a whole before
 * anything is done. Layouts are those of the Linux {@code virtchnl.h}. For the engine's thread.
 */
final class VirtchnlRequests {
    /** Bytes of the frame check sequence, which a driver counts as part of a frame here. */
    private static final int CHECK_SEQUENCE = 4;

    private static final int REPLY_MAXIMUM = 128;
    private static final int QUEUE_PAIRS = 8;
    private static final int QUEUE_PAIR = 64;
    private static final int VECTORS = 2;
    private static final int VECTOR = 12;
    private static final int ADDRESSES = 4;
    private static final int ADDRESS = 8;

    /** The capabilities that a driver may get. */
    static final int OFFERED = Virtchnl.VF_OFFLOAD_L2 | Virtchnl.VF_CAP_ADV_LINK_SPEED | Virtchnl.VF_OFFLOAD_RSS_PF;

    private final Vsi vsi;
    private final Statistics statistics;
    private final Owner owner;
    private final ByteBuffer reply = ByteBuffer.allocate(REPLY_MAXIMUM).order(ByteOrder.LITTLE_ENDIAN);

    /** The function whose requests these are. */
    interface Owner {
        void reply(int opcode, int status, byte[] payload);

        void resetRequested();

        /** Sends the link's state, in the form that was negotiated. */
        void reportLink();

        /** A transmit queue begins anew or has ended: its tail is 0 again. */
        void transmitTailCleared(int queue);
    }

    VirtchnlRequests(Vsi vsi, Statistics statistics, Owner owner) {
        this.vsi = vsi;
        this.statistics = statistics;
        this.owner = owner;
    }

    /** A message has come; every one is answered once, but for a reset. */
    void receive(int number, ByteBuffer payload) {
        if (number == VirtchnlOpcode.RESET_VF) {
            owner.resetRequested();
            return;
        }
        VirtchnlOpcode opcode = VirtchnlOpcode.of(number);
        ByteBuffer request = payload.slice().order(ByteOrder.LITTLE_ENDIAN);
        reply.clear();
        int status;
        if (opcode == null) {
            status = Virtchnl.STATUS_ERR_NOT_SUPPORTED;
        } else if (opcode.needsResources() && !vsi.isActive()) {
            status = Virtchnl.STATUS_ERR_PARAM;
        } else {
            status = opcode.handle(this, request, reply);
        }
        byte[] content = new byte[status == Virtchnl.STATUS_SUCCESS ? reply.position() : 0];
        reply.get(0, content);
        owner.reply(number, status, content);
        if (opcode == VirtchnlOpcode.ENABLE_QUEUES && status == Virtchnl.STATUS_SUCCESS) {
            owner.reportLink();
        }
    }

    int version(ByteBuffer request, ByteBuffer answer) {
        boolean old =
                request.getInt(0) == Virtchnl.VERSION_MAJOR && request.getInt(4) == Virtchnl.VERSION_MINOR_NO_VF_CAPS;
        vsi.minorVersion = old ? Virtchnl.VERSION_MINOR_NO_VF_CAPS : Virtchnl.VERSION_MINOR;
        answer.putInt(Virtchnl.VERSION_MAJOR).putInt(vsi.minorVersion);
        return Virtchnl.STATUS_SUCCESS;
    }

    int resources(ByteBuffer request, ByteBuffer answer) {
        boolean asks = vsi.minorVersion != Virtchnl.VERSION_MINOR_NO_VF_CAPS;
        if (request.remaining() != (asks ? Integer.BYTES : 0)) {
            return Virtchnl.STATUS_ERR_PARAM;
        }
        vsi.activate((asks ? request.getInt(0) : Virtchnl.VF_OFFLOAD_L2) & OFFERED);
        answer.putShort((short) 1).putShort((short) vsi.queuePairs()).putShort((short) vsi.vectors());
        answer.putShort((short) (TransmitPath.FRAME_MAXIMUM + CHECK_SEQUENCE));
        answer.putInt(vsi.capabilities()).putInt(ReceiveSideScaling.KEY_SIZE).putInt(ReceiveSideScaling.TABLE_SIZE);
        answer.putShort((short) vsi.id()).putShort((short) vsi.queuePairs());
        answer.putInt(Virtchnl.VSI_SRIOV).putShort((short) 0);
        for (int shift = 40; shift >= 0; shift -= 8) {
            answer.put((byte) (vsi.filters.permanent() >>> shift));
        }
        return Virtchnl.STATUS_SUCCESS;
    }

    int configureQueues(ByteBuffer request, ByteBuffer answer) {
        int count = unsigned(request, 2);
        if (!isOurs(request) || count > vsi.queuePairs()) {
            return Virtchnl.STATUS_ERR_PARAM;
        }
        for (int pair = 0; pair < count; pair++) {
            if (!isValidPair(request, QUEUE_PAIRS + pair * QUEUE_PAIR)) {
                return Virtchnl.STATUS_ERR_PARAM;
            }
        }
        for (int pair = 0; pair < count; pair++) {
            configurePair(request, QUEUE_PAIRS + pair * QUEUE_PAIR);
        }
        return Virtchnl.STATUS_SUCCESS;
    }

    int mapVectors(ByteBuffer request, ByteBuffer answer) {
        int count = unsigned(request, 0);
        int queues = (1 << vsi.queuePairs()) - 1;
        for (int entry = 0; entry < count; entry++) {
            int at = VECTORS + entry * VECTOR;
            boolean valid = unsigned(request, at) == vsi.id()
                    && unsigned(request, at + 2) < vsi.vectors()
                    && (unsigned(request, at + 4) & ~queues) == 0
                    && (unsigned(request, at + 6) & ~queues) == 0;
            if (!valid) {
                return Virtchnl.STATUS_ERR_PARAM;
            }
        }
        for (int entry = 0; entry < count; entry++) {
            int at = VECTORS + entry * VECTOR;
            int vector = unsigned(request, at + 2);
            for (int queue = 0; queue < vsi.queuePairs(); queue++) {
                if ((unsigned(request, at + 4) >>> queue & 1) != 0) {
                    vsi.receiveQueues[queue].vector = vector;
                }
                if ((unsigned(request, at + 6) >>> queue & 1) != 0) {
                    vsi.transmitQueues[queue].vector = vector;
                }
            }
        }
        return Virtchnl.STATUS_SUCCESS;
    }

    int enableQueues(ByteBuffer request, ByteBuffer answer) {
        if (!namesQueues(request)) {
            return Virtchnl.STATUS_ERR_PARAM;
        }
        for (int queue = 0; queue < vsi.queuePairs(); queue++) {
            if ((names(request, 4, queue) && !vsi.receiveQueues[queue].configured)
                    || (names(request, 8, queue) && !vsi.transmitQueues[queue].configured)) {
                return Virtchnl.STATUS_ERR_PARAM;
            }
        }
        for (int queue = 0; queue < vsi.queuePairs(); queue++) {
            if (names(request, 4, queue) && !vsi.receiveQueues[queue].enabled) {
                vsi.receiveQueues[queue].enable();
            }
            if (names(request, 8, queue) && !vsi.transmitQueues[queue].enabled) {
                vsi.transmitQueues[queue].enable();
            }
        }
        return Virtchnl.STATUS_SUCCESS;
    }

    int disableQueues(ByteBuffer request, ByteBuffer answer) {
        if (!namesQueues(request)) {
            return Virtchnl.STATUS_ERR_PARAM;
        }
        for (int queue = 0; queue < vsi.queuePairs(); queue++) {
            if (names(request, 4, queue)) {
                vsi.receiveQueues[queue].disable();
            }
            if (names(request, 8, queue)) {
                vsi.transmitQueues[queue].enabled = false;
                owner.transmitTailCleared(queue);
            }
        }
        return Virtchnl.STATUS_SUCCESS;
    }

    int addAddresses(ByteBuffer request, ByteBuffer answer) {
        int count = unsigned(request, 2);
        if (!isOurs(request)) {
            return Virtchnl.STATUS_ERR_PARAM;
        }
        for (int entry = 0; entry < count; entry++) {
            long address = address(request, ADDRESSES + entry * ADDRESS);
            if (address == 0 || address == MacTable.BROADCAST) {
                return Virtchnl.STATUS_ERR_PARAM;
            }
        }
        for (int entry = 0; entry < count; entry++) {
            if (!vsi.filters.add(address(request, ADDRESSES + entry * ADDRESS))) {
                return Virtchnl.STATUS_ERR_NO_MEMORY;
            }
        }
        return Virtchnl.STATUS_SUCCESS;
    }

    int deleteAddresses(ByteBuffer request, ByteBuffer answer) {
        if (!isOurs(request)) {
            return Virtchnl.STATUS_ERR_PARAM;
        }
        for (int entry = 0; entry < unsigned(request, 2); entry++) {
            vsi.filters.remove(address(request, ADDRESSES + entry * ADDRESS));
        }
        return Virtchnl.STATUS_SUCCESS;
    }

    int promiscuous(ByteBuffer request, ByteBuffer answer) {
        if (!isOurs(request)) {
            return Virtchnl.STATUS_ERR_PARAM;
        }
        int flags = unsigned(request, 2);
        vsi.filters.promiscuous(
                (flags & Virtchnl.FLAG_VF_UNICAST_PROMISC) != 0, (flags & Virtchnl.FLAG_VF_MULTICAST_PROMISC) != 0);
        return Virtchnl.STATUS_SUCCESS;
    }

    int statistics(ByteBuffer request, ByteBuffer answer) {
        if (!isOurs(request)) {
            return Virtchnl.STATUS_ERR_PARAM;
        }
        statistics.encode(answer);
        return Virtchnl.STATUS_SUCCESS;
    }

    int rssKey(ByteBuffer request, ByteBuffer answer) {
        if (!isOurs(request) || !grantsRss() || unsigned(request, 2) != ReceiveSideScaling.KEY_SIZE) {
            return Virtchnl.STATUS_ERR_PARAM;
        }
        byte[] key = new byte[ReceiveSideScaling.KEY_SIZE];
        request.get(4, key);
        vsi.scaling.setKey(key);
        return Virtchnl.STATUS_SUCCESS;
    }

    int rssTable(ByteBuffer request, ByteBuffer answer) {
        if (!isOurs(request) || !grantsRss() || unsigned(request, 2) != ReceiveSideScaling.TABLE_SIZE) {
            return Virtchnl.STATUS_ERR_PARAM;
        }
        for (int entry = 0; entry < ReceiveSideScaling.TABLE_SIZE; entry++) {
            if ((request.get(4 + entry) & 0xff) >= vsi.queuePairs()) {
                return Virtchnl.STATUS_ERR_PARAM;
            }
        }
        byte[] entries = new byte[ReceiveSideScaling.TABLE_SIZE];
        request.get(4, entries);
        vsi.scaling.setLookupTable(entries);
        return Virtchnl.STATUS_SUCCESS;
    }

    int rssHashTypes(ByteBuffer request, ByteBuffer answer) {
        if (!grantsRss()) {
            return Virtchnl.STATUS_ERR_PARAM;
        }
        answer.putLong(ReceiveSideScaling.DEFAULT_HASH_TYPES);
        return Virtchnl.STATUS_SUCCESS;
    }

    int setRssHashTypes(ByteBuffer request, ByteBuffer answer) {
        if (!grantsRss()) {
            return Virtchnl.STATUS_ERR_PARAM;
        }
        vsi.scaling.setHashTypes(request.getLong(0) & ReceiveSideScaling.DEFAULT_HASH_TYPES);
        return Virtchnl.STATUS_SUCCESS;
    }

    private boolean isValidPair(ByteBuffer request, int at) {
        int receive = at + 24;
        int queue = unsigned(request, at + 2);
        long receiveLength = request.getInt(receive + 4) & 0xffff_ffffL;
        long buffer = request.getInt(receive + 12) & 0xffff_ffffL;
        long frame = request.getInt(receive + 16) & 0xffff_ffffL;
        return unsigned(request, at) == vsi.id()
                && unsigned(request, receive) == vsi.id()
                && queue < vsi.queuePairs()
                && unsigned(request, receive + 2) == queue
                && !vsi.transmitQueues[queue].enabled
                && !vsi.receiveQueues[queue].enabled
                && TransmitQueue.isRing(request.getLong(at + 8), unsigned(request, at + 4))
                && ReceiveQueue.isRing(request.getLong(receive + 24), receiveLength)
                && ReceiveQueue.takes(buffer, frame)
                && unsigned(request, receive + 10) == 0;
    }

    private void configurePair(ByteBuffer request, int at) {
        int receive = at + 24;
        int queue = unsigned(request, at + 2);
        vsi.transmitQueues[queue].configure(
                request.getLong(at + 8),
                unsigned(request, at + 4),
                unsigned(request, at + 6) != 0,
                request.getLong(at + 16));
        owner.transmitTailCleared(queue);
        vsi.receiveQueues[queue].configure(
                request.getLong(receive + 24),
                request.getInt(receive + 4),
                request.getInt(receive + 12),
                request.getInt(receive + 16));
    }

    private boolean isOurs(ByteBuffer request) {
        return unsigned(request, 0) == vsi.id();
    }

    private boolean grantsRss() {
        return (vsi.capabilities() & Virtchnl.VF_OFFLOAD_RSS_PF) != 0;
    }

    /** Whether a message names queues, and none that the function does not have. */
    private boolean namesQueues(ByteBuffer request) {
        int all = request.getInt(4) | request.getInt(8);
        return isOurs(request) && all != 0 && (all & -(1 << vsi.queuePairs())) == 0;
    }

    private static boolean names(ByteBuffer request, int bitmap, int queue) {
        return (request.getInt(bitmap) >>> queue & 1) != 0;
    }

    private static int unsigned(ByteBuffer request, int at) {
        return request.getShort(at) & 0xffff;
    }

    private static long address(ByteBuffer request, int at) {
        long address = 0;
        for (int index = 0; index < 6; index++) {
            address = (address << 8) | (request.get(at + index) & 0xff);
        }
        return address;
    }
}
