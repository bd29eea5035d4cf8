package vfio.sim;

import java.util.ArrayList;
import java.util.List;
import vfio.pci.api.pci.PciConfig;
import vfio.pci.api.pci.PciIds;
import vfio.pci.api.pci.PciInterrupt;

/**
 * The fixed description of a PCI function: identity, configuration space as after power-on, BARs and interrupt types.
 * Immutable.
 *
 * <p>Configuration space is 4096 bytes if the function has a PCI Express capability, otherwise 256.
 */
final class FunctionLayout {
    private static final int COMMAND_WRITABLE =
            PciConfig.COMMAND_MEMORY | PciConfig.COMMAND_MASTER | PciConfig.COMMAND_INTX_DISABLE | (1 << 6) | (1 << 8);
    private static final int STATUS_CLEARABLE = 0xf900;

    private final PciIds ids;
    private final ConfigImage config;
    private final List<BarShape> bars;
    private final List<Capability.ResetTrigger> resetTriggers;
    private final int[] vectors;

    private FunctionLayout(Builder builder) {
        ids = builder.ids;
        bars = List.copyOf(builder.bars);
        boolean express =
                builder.capabilities.stream().anyMatch(it -> it.id() == PciConfig.CAP_ID_EXP && !it.isExtended());
        config = new ConfigImage(express ? PciConfig.EXTENDED_SIZE : PciConfig.SIZE);
        vectors = new int[PciInterrupt.COUNT];
        vectors[PciInterrupt.INTX] = builder.interruptPin == 0 ? 0 : 1;
        vectors[PciInterrupt.ERR] = express ? 1 : 0;
        vectors[PciInterrupt.REQ] = 1;
        resetTriggers = new ArrayList<>();
        header(builder.interruptPin);
        chain(builder.capabilities);
    }

    static Builder of(PciIds ids) {
        return new Builder(ids);
    }

    PciIds ids() {
        return ids;
    }

    ConfigImage config() {
        return config;
    }

    List<BarShape> bars() {
        return bars;
    }

    /** The shape of a BAR that the function has. */
    BarShape bar(int index) {
        return bars.stream()
                .filter(bar -> bar.index() == index)
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("there is no BAR" + index));
    }

    List<Capability.ResetTrigger> resetTriggers() {
        return List.copyOf(resetTriggers);
    }

    /** Number of vectors by interrupt index. */
    int[] vectors() {
        return vectors.clone();
    }

    private void header(int interruptPin) {
        boolean io = bars.stream().anyMatch(bar -> bar.kind() == BarShape.Kind.IO);
        config.constant(PciConfig.VENDOR_ID, 2, ids.vendor())
                .constant(PciConfig.DEVICE_ID, 2, ids.device())
                .field(PciConfig.COMMAND, 2, 0, COMMAND_WRITABLE | (io ? PciConfig.COMMAND_IO : 0))
                .constant(PciConfig.STATUS, 2, PciConfig.STATUS_CAP_LIST)
                .clearOnWrite(PciConfig.STATUS, 2, STATUS_CLEARABLE)
                .constant(PciConfig.REVISION_ID, 1, ids.revision())
                .constant(PciConfig.CLASS_PROG, 3, ids.classCode())
                .field(0x0c, 1, 0, 0xff)
                .constant(PciConfig.SUBSYSTEM_VENDOR_ID, 2, ids.subsystemVendor())
                .constant(PciConfig.SUBSYSTEM_ID, 2, ids.subsystem())
                .field(PciConfig.INTERRUPT_LINE, 1, 0, 0xff)
                .constant(PciConfig.INTERRUPT_PIN, 1, interruptPin);
        for (BarShape bar : bars) {
            int width = bar.kind().wide() ? 8 : 4;
            config.field(
                    PciConfig.BASE_ADDRESS_0 + 4 * bar.index(),
                    width,
                    bar.kind().typeBits(),
                    bar.addressMask());
        }
    }

    private void chain(List<Capability> capabilities) {
        int conventional = PciConfig.CAPABILITY_LIST;
        int extended = 0;
        for (Capability capability : capabilities) {
            int offset = capability.offset();
            config.insert(offset, capability.body());
            if (capability.isExtended()) {
                config.constant(offset, 4, capability.id() | (capability.version() << 16));
                if (extended > 0) {
                    config.constant(extended + 2, 2, (offset << 4) | versionAt(capabilities, extended));
                }
                extended = offset;
            } else {
                config.constant(conventional, 1, offset).constant(offset, 1, capability.id());
                conventional = offset + 1;
            }
            Capability.Vectors brought = capability.vectors();
            if (brought != null) {
                vectors[brought.index()] = brought.count();
            }
            Capability.ResetTrigger trigger = capability.resetTrigger();
            if (trigger != null) {
                resetTriggers.add(trigger.from(offset));
            }
        }
    }

    private static int versionAt(List<Capability> capabilities, int offset) {
        return capabilities.stream()
                .filter(it -> it.offset() == offset)
                .mapToInt(Capability::version)
                .sum();
    }

    /** Collects a layout; BARs and capabilities in ascending and in list order. */
    static final class Builder {
        private final PciIds ids;
        private final List<BarShape> bars = new ArrayList<>();
        private final List<Capability> capabilities = new ArrayList<>();
        private int interruptPin;

        private Builder(PciIds ids) {
            this.ids = ids;
        }

        /** A BAR whose pages may be mapped. */
        Builder bar(int index, BarShape.Kind kind, long size) {
            bars.add(new BarShape(index, kind, size, true));
            return this;
        }

        /** A BAR that is always trapped. */
        Builder trappedBar(int index, BarShape.Kind kind, long size) {
            bars.add(new BarShape(index, kind, size, false));
            return this;
        }

        /** The interrupt pin, 1 for INTA; 0, the default, for none. */
        Builder interruptPin(int pin) {
            interruptPin = pin;
            return this;
        }

        Builder capability(Capability capability) {
            capabilities.add(capability);
            return this;
        }

        FunctionLayout build() {
            return new FunctionLayout(this);
        }
    }
}
