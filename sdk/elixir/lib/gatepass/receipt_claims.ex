defmodule Gatepass.ReceiptClaims do
  @moduledoc """
  What a receipt states about an upload: `sub` (the file's id), `path` (decoded), `size` (bytes), `type`
  (content type), `etag` (without quotes), `iat` and `exp` (Unix seconds).
  """
  @texts [:sub, :path, :type, :etag]
  @numbers [:size, :iat, :exp]
  defstruct @texts ++ @numbers

  @type t :: %__MODULE__{
          sub: String.t(),
          path: String.t(),
          size: non_neg_integer(),
          type: String.t(),
          etag: String.t(),
          iat: non_neg_integer(),
          exp: non_neg_integer()
        }

  @doc false
  # Reads the payload of a token whose signature matched.
  def read(payload) do
    with {:ok, json} <- Base.url_decode64(payload, padding: false),
         %{} = read <- parse(json),
         claims = struct!(__MODULE__, for(name <- @texts ++ @numbers, do: {name, read["#{name}"]})),
         true <- Enum.all?(@texts, &is_binary(Map.get(claims, &1))),
         true <- Enum.all?(@numbers, &(is_integer(Map.get(claims, &1)) and Map.get(claims, &1) >= 0)) do
      {:ok, claims}
    else
      _ -> {:error, %Gatepass.ReceiptError{code: :malformed, message: "the receipt's claims are malformed"}}
    end
  end

  defp parse(json) do
    Gatepass.Json.parse!(json)
  rescue
    ArgumentError -> nil
  end
end
