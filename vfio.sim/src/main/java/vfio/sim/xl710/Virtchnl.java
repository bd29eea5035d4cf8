package vfio.sim.xl710;

/** Constants of the protocol between a virtual function and its physical function, as in the Linux {@code virtchnl.h}. */
final class Virtchnl {
    static final int VERSION_MAJOR = 1;
    static final int VERSION_MINOR = 1;

    /** The minor version that does not know capabilities. */
    static final int VERSION_MINOR_NO_VF_CAPS = 0;

    static final int STATUS_SUCCESS = 0;
    static final int STATUS_ERR_PARAM = -5;
    static final int STATUS_ERR_NO_MEMORY = -18;
    static final int STATUS_ERR_NOT_SUPPORTED = -64;

    static final int VF_OFFLOAD_L2 = 1;
    static final int VF_CAP_ADV_LINK_SPEED = 1 << 7;
    static final int VF_OFFLOAD_RSS_PF = 1 << 19;

    /** struct virtchnl_vsi_resource.vsi_type of a virtual function. */
    static final int VSI_SRIOV = 6;

    static final int OP_EVENT = 17;
    static final int EVENT_LINK_CHANGE = 1;
    static final int EVENT_RESET_IMPENDING = 2;
    static final int PF_EVENT_SEVERITY_INFO = 0;
    static final int PF_EVENT_SEVERITY_CERTAIN_DOOM = 255;

    static final int FLAG_VF_UNICAST_PROMISC = 1;
    static final int FLAG_VF_MULTICAST_PROMISC = 2;

    private Virtchnl() {}
}
