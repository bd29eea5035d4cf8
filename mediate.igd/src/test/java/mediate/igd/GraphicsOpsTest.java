package mediate.igd;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.reflect.Proxy;
import java.util.Optional;
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

class GraphicsOpsTest {
    @Test
    void acceptsTheIdsOfItsListWithAMediationForEach() {
        GraphicsOps ops = new GraphicsOps(ids("5927", "193b"));
        Decision first = ops.open(opening(0x8086, 0x5927, 0x030000));
        Decision second = ops.open(opening(0x8086, 0x193b, 0x038000));

        assertThat(first).isInstanceOf(Decision.Accepted.class);
        assertThat(second).isInstanceOf(Decision.Accepted.class);
        assertThat(((Decision.Accepted) first).mediation())
                .isInstanceOf(GraphicsMediation.class)
                .isNotSameAs(((Decision.Accepted) second).mediation());
    }

    @Test
    void declinesOtherIdsAndSaysWhereTheListIs() {
        assertThat(new GraphicsOps(ids("5927")).open(opening(0x8086, 0x193b, 0x030000)))
                .isEqualTo(Decision.decline("8086:193b is not in device.ids of mediate.igd"));
        assertThat(new GraphicsOps(ids()).open(opening(0x8086, 0x5927, 0x030000)))
                .isEqualTo(Decision.decline("8086:5927 is not in device.ids of mediate.igd"));
    }

    @Test
    void declinesOtherVendorsAndOtherClassesWhateverTheirId() {
        GraphicsOps ops = new GraphicsOps(ids("5927"));

        assertThat(ops.open(opening(0x1234, 0x5927, 0x030000)))
                .isEqualTo(Decision.decline("1234:5927 is not an Intel graphics device"));
        assertThat(ops.open(opening(0x8086, 0x5927, 0x020000)))
                .isEqualTo(Decision.decline("8086:5927 is not an Intel graphics device"));
    }

    /** As people write them: in either case, with blanks, twice. */
    @Test
    void readsIdsGenerously() {
        GraphicsOps ops = new GraphicsOps(ids("193B", " 5927", "5927"));

        assertThat(ops.open(opening(0x8086, 0x193b, 0x030000))).isInstanceOf(Decision.Accepted.class);
        assertThat(ops.open(opening(0x8086, 0x5927, 0x030000))).isInstanceOf(Decision.Accepted.class);
    }

    private static GraphicsOps.Configuration ids(String... ids) {
        Class<GraphicsOps.Configuration> type = GraphicsOps.Configuration.class;
        return type.cast(Proxy.newProxyInstance(
                type.getClassLoader(), new Class<?>[] {type}, (proxy, method, arguments) -> ids));
    }

    private static MediationContext opening(int vendor, int device, int classCode) {
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
                return new Function(new PciIds(vendor, device, 0x8086, 0x2212, classCode, 6));
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

    private record Function(PciIds ids) implements PciDevice {
        @Override
        public PciAddress address() {
            return PciAddress.parse("0000:00:02.0");
        }

        @Override
        public String backend() {
            return "fake";
        }

        @Override
        public Optional<PciAddress> physicalFunction() {
            return Optional.empty();
        }

        @Override
        public int virtualFunctionNumber() {
            return -1;
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
