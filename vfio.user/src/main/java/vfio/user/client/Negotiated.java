package vfio.user.client;

/**
 * What client and server agreed on in the VERSION exchange.
 *
 * @param minor minor version; the major version is 0
 * @param maxMsgFds descriptors the server takes in one message
 * @param maxDataXferSize most bytes of data in one transfer
 * @param maxDmaMaps most DMA mappings at a time
 * @param pgsizes page sizes of DMA mappings, or'ed together
 * @param writeMultiple whether REGION_WRITE_MULTI may be sent
 * @param twinSocket whether the server's requests come over a socket of their own
 * @param maxBitmapSize most bytes of a bitmap of dirty pages in one message
 * @param dynamicTrap whether the server may withdraw mappings, and says so with interrupt {@link
 *     vfio.pci.api.pci.PciInterrupt#TRAP_CHANGED}
 */
public record Negotiated(
        int minor,
        int maxMsgFds,
        int maxDataXferSize,
        int maxDmaMaps,
        long pgsizes,
        boolean writeMultiple,
        boolean twinSocket,
        int maxBitmapSize,
        boolean dynamicTrap) {}
