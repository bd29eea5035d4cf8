package vfio.iavf;

/** Layout of a TX descriptor: address in its first quadword, what to do in its second ({@code struct iavf_tx_desc}). */
final class TransmitDescriptor {
    static final int SIZE = 16;
    static final int COMMAND = 8;

    static final long DTYPE_MASK = 0xf;
    static final long DTYPE_DATA = 0;
    static final long DTYPE_CONTEXT = 1;
    static final long DTYPE_DESC_DONE = 0xf;

    private static final int CMD_SHIFT = 4;
    static final long CMD_EOP = 1L << CMD_SHIFT;
    static final long CMD_RS = 1L << (CMD_SHIFT + 1);
    static final long CMD_ICRC = 1L << (CMD_SHIFT + 2);

    static final int CMD_IIPT_SHIFT = CMD_SHIFT + 5;
    static final int CMD_L4T_SHIFT = CMD_SHIFT + 8;
    static final int MACLEN_SHIFT = 16;
    static final int IPLEN_SHIFT = 23;
    static final int L4LEN_SHIFT = 30;
    static final int BUFFER_SHIFT = 34;

    /** Most bytes of one buffer. */
    static final int BUFFER_MAXIMUM = (1 << 14) - 1;

    static final long CONTEXT_TSO = 1L << CMD_SHIFT;
    static final int TSO_LENGTH_SHIFT = 30;
    static final int MSS_SHIFT = 50;

    private TransmitDescriptor() {}

    static long data(int length, long command) {
        return DTYPE_DATA | CMD_ICRC | command | ((long) length << BUFFER_SHIFT);
    }
}
