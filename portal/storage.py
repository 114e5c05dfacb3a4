"""Static files under names that change with their content, once `collectstatic` has run; under their own until then."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedOnceCollected(CompressedManifestStaticFilesStorage):
    """WhiteNoise's storage, which by itself fails every page, error pages too, where nobody has collected the files."""

    def stored_name(self, name: str) -> str:
        """The hashed name of `name`, or `name` itself while there is no manifest and files are served as they lie.

        Raises ValueError for a file that the manifest lacks.
        """
        return super().stored_name(name) if self.hashed_files else name
