package vfio.iavf;

/** Layout and flags of a descriptor of the admin queues ({@code struct iavf_aq_desc}). */
final class AdminDescriptor {
    static final int SIZE = 32;

    static final int FLAGS = 0;
    static final int OPCODE = 2;
    static final int DATALEN = 4;
    static final int RETVAL = 6;
    static final int COOKIE_HIGH = 8;
    static final int COOKIE_LOW = 12;
    static final int PARAM0 = 16;
    static final int PARAM1 = 20;
    static final int ADDRESS_HIGH = 24;
    static final int ADDRESS_LOW = 28;

    static final int FLAG_DD = 1;
    static final int FLAG_CMP = 1 << 1;
    static final int FLAG_ERR = 1 << 2;
    static final int FLAG_LB = 1 << 9;
    static final int FLAG_RD = 1 << 10;
    static final int FLAG_BUF = 1 << 12;
    static final int FLAG_SI = 1 << 13;

    static final int SEND_MSG_TO_PF = 0x0801;
    static final int SEND_MSG_TO_VF = 0x0802;
    static final int QUEUE_SHUTDOWN = 0x0003;
    static final int DRIVER_UNLOADING = 1;

    /** Beyond this a buffer counts as large. */
    static final int LARGE_BUFFER = 512;

    private AdminDescriptor() {}
}
