package mediate.i40e;

import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.pci.PciConfig;

/**
 * The bit of the configuration space that resets a function: Initiate Function Level Reset in the PCI Express capability.
 *
 * @param offset of the byte with it; -1 if there is none
 */
record FunctionReset(int offset) {
    private static final int BIT = PciConfig.EXP_DEVCTL_BCR_FLR >> Byte.SIZE;

    /** Finds it in a configuration space. */
    static FunctionReset of(byte[] config) {
        return new FunctionReset(MsixCapability.find(config, PciConfig.CAP_ID_EXP, PciConfig.EXP_DEVCTL + Short.BYTES)
                .map(at -> at + PciConfig.EXP_DEVCTL + 1)
                .orElse(-1));
    }

    /** Whether a write of the configuration space resets the function. */
    boolean isRequestedBy(RegionAccess access) {
        long index = offset - access.offset();
        return offset >= 0 && index >= 0 && index < access.length() && (access.get((int) index) & BIT) != 0;
    }
}
