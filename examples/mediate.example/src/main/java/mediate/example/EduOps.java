package mediate.example;

import java.nio.ByteBuffer;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import migration.region.Migration;
import migration.region.StateSections;
import org.osgi.service.component.annotations.Component;
import vfio.pci.api.device.Migratable;
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
    private static final int CONFIG = 7;
    private static final int BUFFER = 0x40000;

    @Override
    public Decision open(MediationContext context) {
        if (!context.device().ids().id().equals("1234:11e8")) {
            return Decision.decline(context.device().ids().id() + " is not an edu device");
        }
        HandOverState state = context.handedOver().orElse(new HandOverState("example", 1, new byte[4]));
        return state.isReadableAs("example", 1)
                ? Decision.accept(mediation(
                        context, new AtomicInteger(ByteBuffer.wrap(state.data()).getInt())))
                : Decision.decline("cannot read the state " + state);
    }

    private static Mediation mediation(MediationContext context, AtomicInteger count) {
        return new Factorials(count, context.hardwareState().map(hardware -> StateSections.of(context, hardware)
                .region("config", CONFIG, 0, 256)
                .region("buffer", 0, BUFFER, 4096)
                .value("count", 4, () -> bytes(count), bytes -> count.set(ByteBuffer.wrap(bytes).getInt()))
                .migration("example", 1)));
    }

    private static byte[] bytes(AtomicInteger count) {
        return ByteBuffer.allocate(4).putInt(count.get()).array();
    }

    private record Factorials(AtomicInteger count, Optional<Migration> migration) implements Mediation {
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
        public Optional<Migratable> migration(String user) {
            return migration.map(known -> known.as(user));
        }

        @Override
        public void reset() {
            migration.ifPresent(Migration::reset);
        }

        @Override
        public Optional<HandOverState> suspend() {
            return Optional.of(new HandOverState("example", 1, bytes(count)));
        }
    }
}
