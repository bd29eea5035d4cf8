package vfio.iavf;

import java.nio.ByteBuffer;
import java.util.List;

/** The requests of virtchnl, as the Linux driver composes them. */
final class Requests {
    private static final int VECTOR_MAP_SIZE = 12;
    private static final int QUEUE_PAIR_SIZE = 64;

    private Requests() {}

    static ByteBuffer version() {
        return Mailbox.payload(8)
                .putInt(Virtchnl.VERSION_MAJOR)
                .putInt(Virtchnl.VERSION_MINOR)
                .flip();
    }

    static ByteBuffer resources() {
        return Mailbox.payload(4).putInt(Virtchnl.CAPABILITIES_ASKED).flip();
    }

    /** Queue pair i on vector i + 1, and nothing on vector 0, which comes last. The message has room for one element more. */
    static ByteBuffer interruptMap(int vsi, int pairs) {
        ByteBuffer map = Mailbox.payload(14 + VECTOR_MAP_SIZE * (pairs + 1));
        map.putShort((short) (pairs + 1));
        for (int pair = 0; pair < pairs; pair++) {
            vectorMap(map, vsi, pair + 1, 1 << pair);
        }
        vectorMap(map, vsi, 0, 0);
        return map.rewind();
    }

    private static void vectorMap(ByteBuffer map, int vsi, int vector, int queues) {
        map.putShort((short) vsi)
                .putShort((short) vector)
                .putShort((short) queues)
                .putShort((short) queues)
                .putShort((short) Virtchnl.RX_ITR)
                .putShort((short) Virtchnl.TX_ITR);
    }

    /** One element more than there are pairs, as always. */
    static ByteBuffer queues(
            int vsi, List<TransmitQueue> transmitQueues, List<ReceiveQueue> receiveQueues, QueueSettings settings) {
        int pairs = settings.pairs();
        ByteBuffer request = Mailbox.payload(72 + QUEUE_PAIR_SIZE * pairs);
        request.putShort(0, (short) vsi).putShort(2, (short) pairs);
        for (int pair = 0; pair < pairs; pair++) {
            int at = 8 + QUEUE_PAIR_SIZE * pair;
            TransmitQueue transmit = transmitQueues.get(pair);
            ReceiveQueue receive = receiveQueues.get(pair);
            request.putShort(at, (short) vsi)
                    .putShort(at + 2, (short) pair)
                    .putShort(at + 4, (short) transmit.count())
                    .putLong(at + 8, transmit.ringAddress())
                    .putShort(at + 24, (short) vsi)
                    .putShort(at + 26, (short) pair)
                    .putInt(at + 28, receive.count())
                    .putInt(at + 36, settings.bufferSize())
                    .putInt(at + 40, settings.maximumFrame())
                    .putLong(at + 48, receive.ringAddress());
        }
        return request;
    }

    /** The same queues of both kinds. */
    static ByteBuffer queueSelect(int vsi, int bitmap) {
        return Mailbox.payload(12).putInt(vsi).putInt(bitmap).putInt(bitmap).flip();
    }

    static ByteBuffer addresses(int vsi, List<MacAddress> addresses, MacAddress primary) {
        ByteBuffer list = Mailbox.payload(12 + 8 * addresses.size());
        list.putShort(0, (short) vsi).putShort(2, (short) addresses.size());
        int at = 4;
        for (MacAddress address : addresses) {
            address.put(list, at);
            list.put(at + MacAddress.SIZE, (byte)
                    (address.equals(primary) ? Virtchnl.ETHER_ADDR_PRIMARY : Virtchnl.ETHER_ADDR_EXTRA));
            at += 8;
        }
        return list;
    }

    static ByteBuffer promiscuous(int vsi, boolean unicast, boolean multicast) {
        int flags = (unicast ? Virtchnl.PROMISC_UNICAST : 0) | (multicast ? Virtchnl.PROMISC_MULTICAST : 0);
        return Mailbox.payload(4).putShort((short) vsi).putShort((short) flags).flip();
    }

    /** For CONFIG_RSS_KEY and CONFIG_RSS_LUT, which have a spare byte at the end. */
    static ByteBuffer rss(int vsi, byte[] data) {
        return Mailbox.payload(5 + data.length)
                .putShort((short) vsi)
                .putShort((short) data.length)
                .put(data)
                .rewind();
    }

    static ByteBuffer statistics(int vsi) {
        return queueSelect(vsi, 0);
    }
}
