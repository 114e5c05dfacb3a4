"""Static files under names that change with their content, once `collectstatic` has run; under their own until then."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedOnceCollected(CompressedManifestStaticFilesStorage):
    def stored_name(self, name: str) -> str:
        """The hashed name; raises ValueError for a file that the manifest lacks."""
        # Without a manifest WhiteNoise's storage fails every page, error pages too: then files are served as they are.
        return super().stored_name(name) if self.hashed_files else name
