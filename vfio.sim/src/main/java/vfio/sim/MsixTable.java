package vfio.sim;

import java.util.ArrayList;
import java.util.List;
import vfio.pci.api.pci.PciConfig;
import vfio.pci.api.pci.PciInterrupt;

/**
 * The registers of an MSI-X table and its pending bit array: after a reset every vector is masked and the rest is zero,
 * reserved bits stay zero, the pending bits show what the {@link InterruptTable} holds back and cannot be written.
 *
 * <p>The table is storage. It does not steer delivery; see {@link InterruptTable}.
 */
final class MsixTable {
    private MsixTable() {}

    /** The registers that are more than storage. */
    static List<Register> registers(InterruptTable interrupts, int tableOffset, int pendingOffset) {
        List<Register> registers = new ArrayList<>();
        int vectors = interrupts.interruptInfo(PciInterrupt.MSIX).count();
        for (int vector = 0; vector < vectors; vector++) {
            int entry = tableOffset + vector * PciConfig.MSIX_ENTRY_SIZE;
            registers.add(Register.at(entry, "MSI-X address " + vector).writable(0xffff_fffcL));
            registers.add(Register.at(entry + PciConfig.MSIX_ENTRY_VECTOR_CTRL, "MSI-X vector control " + vector)
                    .reset(PciConfig.MSIX_ENTRY_CTRL_MASKBIT)
                    .writable(PciConfig.MSIX_ENTRY_CTRL_MASKBIT));
        }
        int words = 2 * ((vectors + 63) / 64);
        for (int word = 0; word < words; word++) {
            int first = 32 * word;
            registers.add(Register.at(pendingOffset + 4 * word, "MSI-X pending bits " + first)
                    .onRead(() -> interrupts.pendingBits(PciInterrupt.MSIX, first))
                    .readOnly());
        }
        return registers;
    }
}
