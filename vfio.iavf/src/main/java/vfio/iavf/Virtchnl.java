package vfio.iavf;

/** Numbers of the virtual channel between VF and PF, named as in {@code virtchnl.h}. */
public final class Virtchnl {
    public static final int VERSION = 1;
    public static final int RESET_VF = 2;
    public static final int GET_VF_RESOURCES = 3;
    public static final int CONFIG_VSI_QUEUES = 6;
    public static final int CONFIG_IRQ_MAP = 7;
    public static final int ENABLE_QUEUES = 8;
    public static final int DISABLE_QUEUES = 9;
    public static final int ADD_ETH_ADDR = 10;
    public static final int DEL_ETH_ADDR = 11;
    public static final int CONFIG_PROMISCUOUS_MODE = 14;
    public static final int GET_STATS = 15;
    public static final int EVENT = 17;
    public static final int CONFIG_RSS_KEY = 23;
    public static final int CONFIG_RSS_LUT = 24;

    public static final int STATUS_SUCCESS = 0;
    public static final int STATUS_ERR_PARAM = -5;
    public static final int STATUS_ERR_NOT_SUPPORTED = -64;

    public static final int EVENT_LINK_CHANGE = 1;
    public static final int EVENT_RESET_IMPENDING = 2;
    public static final int EVENT_PF_DRIVER_CLOSE = 3;

    public static final int VF_OFFLOAD_L2 = 1;
    public static final int VF_CAP_ADV_LINK_SPEED = 1 << 7;
    public static final int VF_OFFLOAD_VLAN = 1 << 16;
    public static final int VF_OFFLOAD_RSS_PF = 1 << 19;

    static final int VERSION_MAJOR = 1;
    static final int VERSION_MINOR = 1;

    /** What the driver of Linux 6.12 asks for. */
    static final int CAPABILITIES_ASKED = 0x1abd_8cf9;

    static final int VSI_SRIOV = 6;
    static final int ETHER_ADDR_PRIMARY = 1;
    static final int ETHER_ADDR_EXTRA = 2;
    static final int RX_ITR = 0;
    static final int TX_ITR = 1;
    static final int PROMISC_UNICAST = 1;
    static final int PROMISC_MULTICAST = 1 << 1;

    private Virtchnl() {}
}
