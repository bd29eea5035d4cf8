package vfio.itest.guest;

import java.util.function.Supplier;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.TestExecutionExceptionHandler;

/** Adds to each failure what runtime and guest had said until then. */
final class FailureReport implements TestExecutionExceptionHandler {
    private final Supplier<Object> said;

    FailureReport(Supplier<Object> said) {
        this.said = said;
    }

    @Override
    public void handleTestExecutionException(ExtensionContext context, Throwable failure) throws Throwable {
        failure.addSuppressed(new Said(String.valueOf(said.get())));
        throw failure;
    }

    private static final class Said extends RuntimeException {
        private static final long serialVersionUID = 1L;

        Said(String text) {
            super(text, null, false, false);
        }
    }
}
