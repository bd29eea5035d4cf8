package vfio.sim.xl710;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import vfio.pci.api.device.VfioException;

/**
 * Takes packets from transmit queues: gathers the data of each, has done what its descriptors ask for, and gives the
 * descriptors back. Scratch memory for the engine's thread; nothing is allocated for a packet.
 */
final class TransmitPath {
    /** The longest packet: 64 KiB to segment, with headers. */
    static final int PACKET_MAXIMUM = 0x1_0000 + 256;

    /** The longest frame without its check sequence. */
    static final int FRAME_MAXIMUM = TransmitOffload.MAXIMUM_FRAME;

    private static final int CACHED = 64;
    private static final int DESCRIPTOR = TransmitQueue.DESCRIPTOR;

    private final ByteBuffer cache =
            ByteBuffer.allocateDirect(CACHED * DESCRIPTOR).order(ByteOrder.LITTLE_ENDIAN);
    private final ByteBuffer packet = ByteBuffer.allocateDirect(PACKET_MAXIMUM + TransmitOffload.ROOM);
    private final ByteBuffer headWriteBack =
            ByteBuffer.allocateDirect(Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    private final TransmitDescriptor descriptor = new TransmitDescriptor();
    private final TransmitRequest request = new TransmitRequest();
    private final TransmitOffload offload = new TransmitOffload();

    private int cachedFrom;
    private int cachedCount;

    /**
     * Sends whole packets until the tail or the budget is reached.
     *
     * @param budget how many packets at most
     * @return whether anything was sent
     * @throws MaliciousDriverException if a descriptor cannot be understood or reaches memory that is not mapped
     */
    boolean send(GuestAccess guest, TransmitQueue queue, int tail, int budget, FrameSink sink)
            throws MaliciousDriverException {
        if (tail >= queue.length) {
            throw new MaliciousDriverException("its tail " + tail + " lies outside a ring of " + queue.length);
        }
        cachedCount = 0;
        int before = queue.head;
        try {
            for (int sent = 0; sent < budget && queue.head != tail && tail != queue.incompleteTail; sent++) {
                sendPacket(guest, queue, tail, sink);
            }
            if (queue.head != before && queue.headWriteBackEnabled) {
                guest.write(queue.headWriteBackAddress, headWriteBack.clear().putInt(0, queue.head));
            }
        } catch (VfioException e) {
            throw new MaliciousDriverException(e);
        }
        return queue.head != before;
    }

    /** What was done to the frame that the sink has just got. */
    TransmitOffload offload() {
        return offload;
    }

    private void sendPacket(GuestAccess guest, TransmitQueue queue, int tail, FrameSink sink)
            throws MaliciousDriverException {
        request.clear();
        int length = 0;
        boolean first = true;
        boolean dummy = false;
        for (int at = queue.head; at != tail; ) {
            load(guest, queue, at, tail);
            int index = at;
            at = at + 1 == queue.length ? 0 : at + 1;
            if (descriptor.type() == TransmitDescriptor.TYPE_CONTEXT && first && length == 0) {
                if (descriptor.segments()) {
                    descriptor.segmentation(request);
                }
                continue;
            }
            if (descriptor.type() != TransmitDescriptor.TYPE_DATA) {
                throw new MaliciousDriverException(
                        "descriptor " + index + " is of type " + descriptor.type() + ", which is not expected there");
            }
            if (first) {
                descriptor.offloads(request);
                dummy = descriptor.isDummy();
                first = false;
            }
            length = gather(guest, index, length);
            if (descriptor.endsPacket()) {
                boolean reports = descriptor.reportsStatus();
                if (!dummy) {
                    emit(length, sink);
                }
                queue.head = at;
                if (reports) {
                    guest.writeLong(queue.base + (long) index * DESCRIPTOR + Long.BYTES, TransmitDescriptor.DONE);
                }
                return;
            }
        }
        queue.incompleteTail = tail;
    }

    private int gather(GuestAccess guest, int index, int length) throws MaliciousDriverException {
        int size = descriptor.size();
        if (size == 0 || size > PACKET_MAXIMUM - length) {
            throw new MaliciousDriverException(
                    "descriptor " + index + " adds " + size + " bytes to a packet of " + length);
        }
        guest.read(descriptor.address(), packet.limit(length + size).position(length));
        return length + size;
    }

    private void emit(int length, FrameSink sink) throws MaliciousDriverException {
        packet.clear();
        if (!offload.send(request, packet, 0, length, sink)) {
            throw new MaliciousDriverException("a packet of " + length + " bytes does not fit to " + request);
        }
    }

    /** Points the flyweight at a descriptor; reads those behind it along. */
    private void load(GuestAccess guest, TransmitQueue queue, int index, int tail) {
        if (index < cachedFrom || index >= cachedFrom + cachedCount) {
            int end = index < tail ? tail : queue.length;
            cachedFrom = index;
            cachedCount = Math.min(CACHED, end - index);
            guest.read(
                    queue.base + (long) index * DESCRIPTOR,
                    cache.limit(cachedCount * DESCRIPTOR).position(0));
        }
        descriptor.at(cache, (index - cachedFrom) * DESCRIPTOR);
    }
}
