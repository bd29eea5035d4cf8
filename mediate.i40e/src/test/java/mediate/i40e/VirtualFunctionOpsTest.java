package mediate.i40e;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.Regions;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.HandOverState;
import vfio.pci.api.mediate.MediationContext;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;
import vfio.pci.api.pci.PciIds;

class VirtualFunctionOpsTest {
    private static final PciAddress PARENT = PciAddress.parse("0000:03:00.0");
    private static final PciAddress OTHER_PARENT = PciAddress.parse("0000:04:00.0");

    private final VirtualFunctionOps ops = new VirtualFunctionOps(PARENT);

    @Test
    void acceptsEachVfOfItsPfWithAMediationOfItsOwn() {
        Decision first = ops.open(opening(new Function("0000:03:02.0", PARENT, 0)));
        Decision second = ops.open(opening(new Function("0000:03:02.1", PARENT, 1)));

        assertThat(first).isInstanceOf(Decision.Accepted.class);
        assertThat(second).isInstanceOf(Decision.Accepted.class);
        assertThat(((Decision.Accepted) first).mediation())
                .isInstanceOf(VirtualFunctionMediation.class)
                .isNotSameAs(((Decision.Accepted) second).mediation());
    }

    /** Same ids, another card: the id alone must not decide. */
    @Test
    void declinesVfsOfAnotherPf() {
        assertThat(ops.open(opening(new Function("0000:04:02.1", OTHER_PARENT, 1))))
                .isEqualTo(Decision.decline("VF 1 of 0000:04:00.0, not of 0000:03:00.0"));
    }

    @Test
    void declinesWhatIsNoVf() {
        assertThat(ops.open(opening(new Function("0000:00:02.0", null, -1))))
                .isEqualTo(Decision.decline("0000:00:02.0 is not a virtual function"));
    }

    private static MediationContext opening(PciDevice device) {
        return new MediationContext() {
            @Override
            public Optional<HandOverState> handedOver() {
                return Optional.empty();
            }

            @Override
            public boolean trap(boolean trapped) {
                throw new UnsupportedOperationException();
            }

            @Override
            public boolean trapRequested() {
                return false;
            }

            @Override
            public PciDevice device() {
                return device;
            }

            @Override
            public Regions hardware() {
                throw new AssertionError("the device must not be touched before it is accepted");
            }

            @Override
            public DmaSpace memory() {
                throw new AssertionError("the device must not be touched before it is accepted");
            }

            @Override
            public int addRegion(RegionInfo region) {
                throw new AssertionError("nothing to add");
            }

            @Override
            public System.Logger logger() {
                return System.getLogger("test");
            }
        };
    }

    /** All functions have the ids of an XL710 VF. */
    private record Function(String name, @Nullable PciAddress parent, int virtualFunctionNumber) implements PciDevice {
        @Override
        public PciAddress address() {
            return PciAddress.parse(name);
        }

        @Override
        public PciIds ids() {
            return new PciIds(0x8086, 0x154c, 0x8086, 0, 0x020000, 2);
        }

        @Override
        public String backend() {
            return "fake";
        }

        @Override
        public Optional<PciAddress> physicalFunction() {
            return Optional.ofNullable(parent);
        }

        @Override
        public Optional<String> unassignableReason() {
            return Optional.empty();
        }

        @Override
        public Hardware open(DmaSpace memory) {
            throw new AssertionError("a driver never opens the function itself");
        }
    }
}
