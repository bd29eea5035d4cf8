package vfio.iavf;

import java.nio.ByteBuffer;

/**
 * What the PF gives the function ({@code struct virtchnl_vf_resource} with its one VSI).
 *
 * @param queuePairs 1 to 16
 * @param vectors MSI-X vectors, that of the mailbox included
 * @param maxMtu longest frame in bytes; 0 if the PF does not say
 * @param capabilities {@code VIRTCHNL_VF_*}
 * @param rssKeySize bytes
 * @param rssLutSize entries
 * @param vsiId what requests name the VSI
 * @param mac the address the function has, may be zero
 */
public record Resources(
        int queuePairs,
        int vectors,
        int maxMtu,
        int capabilities,
        int rssKeySize,
        int rssLutSize,
        int vsiId,
        MacAddress mac) {
    static final int REPLY_SIZE = 36;

    private static final int MAXIMUM_PAIRS = 16;
    private static final int RSS_KEY_SIZE = 52;
    private static final int RSS_LUT_SIZE = 64;

    /** Reads and checks a reply. */
    static Resources of(ByteBuffer reply) {
        int vsis = reply.getShort(0) & 0xffff;
        int pairs = reply.getShort(2) & 0xffff;
        Resources resources = new Resources(
                pairs,
                reply.getShort(4) & 0xffff,
                reply.getShort(6) & 0xffff,
                reply.getInt(8),
                reply.getInt(12),
                reply.getInt(16),
                reply.getShort(20) & 0xffff,
                MacAddress.at(reply, 30));
        require(vsis == 1, "there are " + vsis + " VSIs and not one");
        require(pairs >= 1 && pairs <= MAXIMUM_PAIRS, "there are " + pairs + " queue pairs");
        require(
                resources.vectors > 1 && resources.vectors <= MAXIMUM_PAIRS + 1,
                "there are " + resources.vectors + " vectors");
        require(
                (resources.capabilities & ~Virtchnl.CAPABILITIES_ASKED) == 0,
                "capabilities 0x" + Integer.toHexString(resources.capabilities) + " were not all asked for");
        require(resources.is(Virtchnl.VF_OFFLOAD_L2), "the VF may not send at all");
        require(resources.rssKeySize == RSS_KEY_SIZE, "the RSS key has " + resources.rssKeySize + " bytes");
        require(resources.rssLutSize == RSS_LUT_SIZE, "the RSS table has " + resources.rssLutSize + " entries");
        require(resources.vsiId != 0, "the VSI has no id");
        int vsiPairs = reply.getShort(22) & 0xffff;
        require(vsiPairs == pairs, "the VSI has " + vsiPairs + " queue pairs, the function " + pairs);
        int type = reply.getInt(24);
        require(type == Virtchnl.VSI_SRIOV, "the VSI has type " + type);
        require(!resources.mac.isGroup(), "its address is " + resources.mac);
        return resources;
    }

    /** Whether a capability was granted. */
    public boolean is(int capability) {
        return (capabilities & capability) != 0;
    }

    private static void require(boolean rule, String otherwise) {
        if (!rule) {
            throw new DeviceViolation("the resources of the function make no sense: " + otherwise);
        }
    }
}
