package vfio.iavf;

/**
 * What the device is asked to do to a frame before it sends it. Immutable and to be reused.
 *
 * <p>The checksum field of the transport header holds the sum of the pseudo header, as the Linux stack leaves it; for
 * segmentation without the length.
 *
 * @param command command and offset bits of every data descriptor of the frame
 * @param context the second quadword of the context descriptor; 0 for none
 */
public record TransmitOffload(long command, long context) {
    /** Send it as it is. */
    public static final TransmitOffload NONE = new TransmitOffload(0, 0);

    /** The network header, with the number that descriptors have for it. */
    public enum Network {
        IPV6(1),
        IPV4(2),
        /** With the header checksum computed by the device. */
        IPV4_CHECKSUM(3);

        private final int code;

        Network(int code) {
            this.code = code;
        }
    }

    /** The transport header, with the number that descriptors have for it. */
    public enum Transport {
        /** No transport checksum. */
        NONE(0),
        TCP(1),
        SCTP(2),
        UDP(3);

        private final int code;

        Transport(int code) {
            this.code = code;
        }
    }

    /**
     * Has checksums computed.
     *
     * @param macLength bytes of the MAC header, even
     * @param networkLength bytes of the network header, a multiple of 4
     * @param transportLength bytes of the transport header, a multiple of 4
     */
    public static TransmitOffload checksums(
            Network network, Transport transport, int macLength, int networkLength, int transportLength) {
        long command = ((long) network.code << TransmitDescriptor.CMD_IIPT_SHIFT)
                | ((long) transport.code << TransmitDescriptor.CMD_L4T_SHIFT)
                | ((macLength / 2L) << TransmitDescriptor.MACLEN_SHIFT)
                | ((networkLength / 4L) << TransmitDescriptor.IPLEN_SHIFT)
                | ((transportLength / 4L) << TransmitDescriptor.L4LEN_SHIFT);
        return new TransmitOffload(command, 0);
    }

    /**
     * Has the frame cut into segments as well.
     *
     * @param maximumSegmentSize bytes of payload in each segment but the last
     * @param payloadLength bytes behind the headers
     */
    public TransmitOffload segmented(int maximumSegmentSize, int payloadLength) {
        return new TransmitOffload(
                command,
                TransmitDescriptor.DTYPE_CONTEXT
                        | TransmitDescriptor.CONTEXT_TSO
                        | ((long) payloadLength << TransmitDescriptor.TSO_LENGTH_SHIFT)
                        | ((long) maximumSegmentSize << TransmitDescriptor.MSS_SHIFT));
    }
}
