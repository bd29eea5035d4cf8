package vfio.user.internal;

/** The 16 bytes in front of every message (specification, section "Header"). */
public final class Header {
    public static final int MESSAGE_ID = 0;
    public static final int COMMAND = 2;
    public static final int MESSAGE_SIZE = 4;
    public static final int FLAGS = 8;
    public static final int ERROR = 12;

    /** Bytes of the header; message data starts here. */
    public static final int SIZE = 16;

    public static final int FLAGS_TYPE_MASK = 0xf;
    public static final int FLAGS_TYPE_COMMAND = 0;
    public static final int FLAGS_TYPE_REPLY = 1;
    public static final int FLAGS_NO_REPLY = 1 << 4;
    public static final int FLAGS_ERROR = 1 << 5;

    private Header() {}
}
