package vfio.pci.api.testing;

import java.util.Objects;
import java.util.function.Supplier;
import vfio.pci.api.device.VfioException;

/** Calls of a mediation. What the core would contain fails the test. */
final class VendorCall {
    private VendorCall() {}

    /** A request of the client or the administrator, which the mediation may refuse. */
    static <T> T request(String method, Supplier<T> call) {
        try {
            return answer(call);
        } catch (VfioException refusal) {
            throw refusal;
        } catch (Throwable thrown) {
            throw defect(method, thrown);
        }
    }

    /** What the mediation may not refuse. */
    static <T> T duty(String method, Supplier<T> call) {
        try {
            return answer(call);
        } catch (Throwable thrown) {
            throw defect(method, thrown);
        }
    }

    private static <T> T answer(Supplier<T> call) {
        return Objects.requireNonNull(call.get(), "its answer is null");
    }

    private static AssertionError defect(String method, Throwable thrown) {
        return new AssertionError("the mediation failed in " + method + ": " + thrown, thrown);
    }
}
