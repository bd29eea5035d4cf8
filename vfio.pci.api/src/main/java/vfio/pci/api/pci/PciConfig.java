package vfio.pci.api.pci;

/**
 * Offsets and values of configuration space, named as in {@code <linux/pci_regs.h>} without the {@code PCI_} prefix. Sizes
 * are in bytes.
 */
public final class PciConfig {
    public static final int SIZE = 256;
    public static final int EXTENDED_SIZE = 4096;

    public static final int VENDOR_ID = 0x00;
    public static final int DEVICE_ID = 0x02;
    public static final int COMMAND = 0x04;
    public static final int COMMAND_IO = 1;
    public static final int COMMAND_MEMORY = 1 << 1;
    public static final int COMMAND_MASTER = 1 << 2;
    public static final int COMMAND_INTX_DISABLE = 1 << 10;
    public static final int STATUS = 0x06;
    public static final int STATUS_INTERRUPT = 1 << 3;
    public static final int STATUS_CAP_LIST = 1 << 4;
    public static final int REVISION_ID = 0x08;
    public static final int CLASS_PROG = 0x09;
    public static final int HEADER_TYPE = 0x0e;
    public static final int BASE_ADDRESS_0 = 0x10;
    public static final int BASE_ADDRESS_IO = 1;
    public static final int BASE_ADDRESS_MEM_TYPE_64 = 1 << 2;
    public static final int BASE_ADDRESS_MEM_PREFETCH = 1 << 3;
    public static final int SUBSYSTEM_VENDOR_ID = 0x2c;
    public static final int SUBSYSTEM_ID = 0x2e;
    public static final int ROM_ADDRESS = 0x30;
    public static final int CAPABILITY_LIST = 0x34;
    public static final int INTERRUPT_LINE = 0x3c;
    public static final int INTERRUPT_PIN = 0x3d;

    public static final int CAP_ID_MSI = 0x05;
    public static final int CAP_ID_EXP = 0x10;
    public static final int CAP_ID_MSIX = 0x11;

    public static final int MSIX_FLAGS = 2;
    public static final int MSIX_FLAGS_ENABLE = 1 << 15;
    public static final int MSIX_FLAGS_MASKALL = 1 << 14;
    public static final int MSIX_TABLE = 4;
    public static final int MSIX_PBA = 8;
    public static final int MSIX_ENTRY_SIZE = 16;
    public static final int MSIX_ENTRY_VECTOR_CTRL = 12;
    public static final int MSIX_ENTRY_CTRL_MASKBIT = 1;

    public static final int EXP_DEVCAP = 4;
    public static final int EXP_DEVCAP_FLR = 1 << 28;
    public static final int EXP_DEVCTL = 8;
    public static final int EXP_DEVCTL_BCR_FLR = 1 << 15;

    private PciConfig() {}
}
