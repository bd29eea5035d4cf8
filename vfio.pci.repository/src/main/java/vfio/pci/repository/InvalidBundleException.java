package vfio.pci.repository;

import org.jspecify.annotations.Nullable;

/** A file is not a bundle, or not one that can be. The message is a sentence. */
final class InvalidBundleException extends Exception {
    private static final long serialVersionUID = 1L;

    private final boolean manifestWrong;

    private InvalidBundleException(boolean manifestWrong, String sentence, @Nullable Throwable cause) {
        super(sentence, cause);
        this.manifestWrong = manifestWrong;
    }

    static InvalidBundleException noBundle(String sentence, @Nullable Throwable cause) {
        return new InvalidBundleException(false, sentence, cause);
    }

    static InvalidBundleException wrongManifest(String sentence) {
        return new InvalidBundleException(true, sentence, null);
    }

    /** Whether it is a jar with the manifest of a bundle, but what that says cannot be. */
    boolean isManifestWrong() {
        return manifestWrong;
    }

    /** What is wrong, as a sentence. */
    String sentence() {
        return String.valueOf(getMessage());
    }
}
