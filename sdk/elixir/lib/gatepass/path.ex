defmodule Gatepass.Path do
  @moduledoc false
  # The grammar of paths.

  @bytes_max 1024
  @segment_bytes_max 255

  # Refuses what two readers could understand differently, and what would bring its own query.
  def check!(path) do
    case fault(path) do
      nil -> path
      reason -> raise Gatepass.SigningError, code: :path_invalid, message: "the path #{reason}"
    end
  end

  # Escapes every byte outside RFC 3986's unreserved characters and `also`.
  def escape(text, also), do: URI.encode(text, &(URI.char_unreserved?(&1) or &1 in also))

  defp fault(path) do
    cond do
      not is_binary(path) or path == "" -> "is empty"
      not String.valid?(path) -> "is not UTF-8"
      byte_size(path) > @bytes_max -> "is longer than 1024 bytes"
      path =~ ~r/[?#\\\x{0}-\x{1f}\x{7f}-\x{9f}]/u -> "has one of ? # \\ or a control character"
      path =~ ~r/%[0-9A-Fa-f]{2}/ -> "holds a percent escape: give it decoded"
      true -> path |> String.split("/") |> segments_fault()
    end
  end

  defp segments_fault(segments) do
    cond do
      "" in segments -> "has an empty segment"
      "." in segments or ".." in segments -> "has a dot segment"
      Enum.any?(segments, &(byte_size(&1) > @segment_bytes_max)) -> "has a segment longer than 255 bytes"
      hd(segments) == ".well-known" -> "starts with the reserved segment .well-known"
      true -> nil
    end
  end
end
