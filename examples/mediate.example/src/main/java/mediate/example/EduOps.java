package mediate.example;

import java.nio.ByteBuffer;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import org.osgi.service.component.annotations.Component;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.HandOverState;
import vfio.pci.api.mediate.MediateOps;
import vfio.pci.api.mediate.Mediates;
import vfio.pci.api.mediate.Mediation;
import vfio.pci.api.mediate.MediationContext;

/** Mediates QEMU's edu device: no factorial beyond 12!, which is the last that fits, and how many there were at 0x0c. */
@Component(property = {MediateOps.NAME + "=example", MediateOps.SERVES + "=1234:11e8"})
@Mediates(vendor = "1234", device = "11e8")
public final class EduOps implements MediateOps {
    @Override
    public Decision open(MediationContext context) {
        if (!context.device().ids().id().equals("1234:11e8")) {
            return Decision.decline(context.device().ids().id() + " is not an edu device");
        }
        HandOverState state = context.handedOver().orElse(new HandOverState("example", 1, new byte[4]));
        return state.isReadableAs("example", 1)
                ? Decision.accept(new Factorials(
                        new AtomicInteger(ByteBuffer.wrap(state.data()).getInt())))
                : Decision.decline("cannot read the state " + state);
    }

    private record Factorials(AtomicInteger count) implements Mediation {
        private static final int FACTORIAL = 0x08;
        private static final int COUNT = 0x0c;

        @Override
        public Result write(RegionAccess access) {
            if (access.region() == 0 && access.offset() == FACTORIAL && access.length() == 4) {
                count.incrementAndGet();
                access.setValue(Math.min(12, access.value()));
            }
            return Result.PASS_THROUGH;
        }

        @Override
        public Result read(RegionAccess access) {
            if (access.region() != 0 || access.offset() != COUNT || access.length() != 4) {
                return Result.PASS_THROUGH;
            }
            access.setValue(count.get());
            return Result.DONE;
        }

        @Override
        public Optional<HandOverState> suspend() {
            byte[] data = ByteBuffer.allocate(4).putInt(count.get()).array();
            return Optional.of(new HandOverState("example", 1, data));
        }
    }
}
