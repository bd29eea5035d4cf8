package vfio.sim.xl710;

import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/**
 * The requests that are understood: number, sizes, handler. Names are those of the Linux {@code virtchnl.h} without
 * VIRTCHNL_OP_. Everything else is answered with "not supported".
 */
@SuppressWarnings("ImmutableEnumChecker") // sizes and handlers hold no state
enum VirtchnlOpcode {
    VERSION(1, Size.exactly(8), false, VirtchnlRequests::version),
    GET_VF_RESOURCES(3, Size.atMost(4), false, VirtchnlRequests::resources),
    CONFIG_VSI_QUEUES(6, Size.counted(8, 2, 64), true, VirtchnlRequests::configureQueues),
    CONFIG_IRQ_MAP(7, Size.counted(2, 0, 12), true, VirtchnlRequests::mapVectors),
    ENABLE_QUEUES(8, Size.exactly(12), true, VirtchnlRequests::enableQueues),
    DISABLE_QUEUES(9, Size.exactly(12), true, VirtchnlRequests::disableQueues),
    ADD_ETH_ADDR(10, Size.counted(4, 2, 8), true, VirtchnlRequests::addAddresses),
    DEL_ETH_ADDR(11, Size.counted(4, 2, 8), true, VirtchnlRequests::deleteAddresses),
    CONFIG_PROMISCUOUS_MODE(14, Size.exactly(4), true, VirtchnlRequests::promiscuous),
    GET_STATS(15, Size.exactly(12), true, VirtchnlRequests::statistics),
    CONFIG_RSS_KEY(23, Size.bytes(4, 2), true, VirtchnlRequests::rssKey),
    CONFIG_RSS_LUT(24, Size.bytes(4, 2), true, VirtchnlRequests::rssTable),
    GET_RSS_HENA_CAPS(25, Size.exactly(0), true, VirtchnlRequests::rssHashTypes),
    SET_RSS_HENA(26, Size.exactly(8), true, VirtchnlRequests::setRssHashTypes);

    /** RESET_VF, the only request without a reply. */
    static final int RESET_VF = 2;

    private static final VirtchnlOpcode[] BY_NUMBER = new VirtchnlOpcode[32];

    static {
        for (VirtchnlOpcode opcode : values()) {
            BY_NUMBER[opcode.number] = opcode;
        }
    }

    private final int number;
    private final Size size;
    private final boolean needsResources;
    private final Handler handler;

    /** Serves a request of the right size. Returns the status; the reply is what it has put. */
    interface Handler {
        int handle(VirtchnlRequests requests, ByteBuffer request, ByteBuffer reply);
    }

    /** Which sizes a request may have. */
    interface Size {
        boolean fits(ByteBuffer request);

        static Size exactly(int bytes) {
            return request -> request.remaining() == bytes;
        }

        static Size atMost(int bytes) {
            return request -> request.remaining() <= bytes;
        }

        /** A header that says at an offset, in 16 bits, how many elements follow. */
        static Size counted(int header, int countAt, int element) {
            return request -> request.remaining() >= header
                    && (request.getShort(countAt) & 0xffff) > 0
                    && request.remaining() >= header + (request.getShort(countAt) & 0xffff) * element;
        }

        /** A header that says at an offset, in 16 bits, how many bytes follow; padding may. */
        static Size bytes(int header, int countAt) {
            return counted(header, countAt, 1);
        }
    }

    VirtchnlOpcode(int number, Size size, boolean needsResources, Handler handler) {
        this.number = number;
        this.size = size;
        this.needsResources = needsResources;
        this.handler = handler;
    }

    /** The request of a number, or null if it is not understood. */
    static @Nullable VirtchnlOpcode of(int number) {
        return number >= 0 && number < BY_NUMBER.length ? BY_NUMBER[number] : null;
    }

    int number() {
        return number;
    }

    /** Whether it is refused before the driver has asked for its resources. */
    boolean needsResources() {
        return needsResources;
    }

    /** Serves a request; see {@link Handler}. */
    int handle(VirtchnlRequests requests, ByteBuffer request, ByteBuffer reply) {
        return size.fits(request) ? handler.handle(requests, request, reply) : Virtchnl.STATUS_ERR_PARAM;
    }
}
