package mediate.i40e;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Optional;
import vfio.pci.api.pci.PciConfig;

/**
 * Where a configuration space says that the MSI-X table is.
 *
 * @param offset of the capability
 * @param region index of the BAR with the table
 * @param table offset of the table in it
 * @param vectors entries of the table, 16 bytes each
 */
record MsixCapability(int offset, int region, long table, int vectors) {
    private static final int SIZE = 12;
    private static final int TABLE_SIZE_MASK = 0x7ff;
    private static final int BIR_MASK = 7;

    /** Reads a configuration space; empty if it has no such capability. */
    static Optional<MsixCapability> of(byte[] config) {
        return find(config, PciConfig.CAP_ID_MSIX, SIZE).map(at -> {
            ByteBuffer bytes = ByteBuffer.wrap(config).order(ByteOrder.LITTLE_ENDIAN);
            int table = bytes.getInt(at + PciConfig.MSIX_TABLE);
            return new MsixCapability(
                    at,
                    table & BIR_MASK,
                    Integer.toUnsignedLong(table & ~BIR_MASK),
                    (bytes.getShort(at + PciConfig.MSIX_FLAGS) & TABLE_SIZE_MASK) + 1);
        });
    }

    int tableSize() {
        return vectors * PciConfig.MSIX_ENTRY_SIZE;
    }

    /** Where a capability of at least some bytes begins; empty if there is none or the list makes no sense. */
    static Optional<Integer> find(byte[] config, int id, int size) {
        boolean listed = (config[PciConfig.STATUS] & PciConfig.STATUS_CAP_LIST) != 0;
        int at = listed ? config[PciConfig.CAPABILITY_LIST] & 0xfc : 0;
        for (int seen = 0; at >= 0x40 && seen < PciConfig.SIZE / Integer.BYTES; seen++) {
            if ((config[at] & 0xff) == id) {
                return at + size <= PciConfig.SIZE ? Optional.of(at) : Optional.empty();
            }
            at = config[at + 1] & 0xfc;
        }
        return Optional.empty();
    }
}
